//! The plan of faults: what is done to whom and when. It depends on the options alone.

use super::random::Random;
use super::role::Role;
use std::time::Duration;

/// What is done to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// SIGKILL; started again after a while.
    Kill,
    /// SIGSTOP; SIGCONT after a while.
    Freeze,
}

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// How long after the fault before.
    pub after: Duration,
    /// What.
    pub kind: Kind,
    /// To a process of this role.
    pub role: Role,
    /// Which of them: a random number, taken modulo their count.
    pub pick: u64,
    /// How long the process is frozen or away.
    pub span: Duration,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Processes killed.
    pub kills: u64,
    /// Processes frozen.
    pub freezes: u64,
    /// The seed.
    pub seed: u64,
    /// The roles that faults meet.
    pub roles: Vec<Role>,
    /// The mean time between two faults.
    pub every: Duration,
    /// How long a heartbeat may stand still: a frozen sequencer stays frozen for longer.
    pub heartbeat_limit: Duration,
}

/// The faults, in order.
pub fn plan(options: &PlanOptions) -> Vec<Fault> {
    let mut random = Random::new(options.seed);
    let total: u64 = options.roles.iter().map(|role| role.weight()).sum();
    let (mut kills, mut freezes) = (options.kills, options.freezes);
    let mut faults = Vec::new();
    while kills + freezes > 0 && total > 0 {
        let kind = if random.between(1, kills + freezes) <= kills {
            kills -= 1;
            Kind::Kill
        } else {
            freezes -= 1;
            Kind::Freeze
        };
        let mut drawn = random.between(1, total);
        let mut role = Role::Producer;
        for &candidate in &options.roles {
            role = candidate;
            if drawn <= candidate.weight() {
                break;
            }
            drawn -= candidate.weight();
        }
        let every = options.every.as_micros() as u64;
        // One in eight follows the fault before at once: two deaths at a time.
        let after = if random.between(0, 7) == 0 {
            random.between(0, 200)
        } else {
            random.between(every / 4, every * 2)
        };
        let limit = options.heartbeat_limit.as_micros() as u64;
        let span = match kind {
            Kind::Freeze => random.between(limit * 5 / 4, limit * 4),
            // Half come back at once, half after a while.
            Kind::Kill if random.between(0, 1) == 0 => 0,
            Kind::Kill => random.between(0, every * 4),
        };
        faults.push(Fault {
            after: Duration::from_micros(after),
            kind,
            role,
            pick: random.next(),
            span: Duration::from_micros(span),
        });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> PlanOptions {
        PlanOptions {
            kills: 200,
            freezes: 50,
            seed,
            roles: Role::ALL.to_vec(),
            every: Duration::from_millis(20),
            heartbeat_limit: Duration::from_millis(50),
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        assert_eq!(plan(&options(7)), plan(&options(7)));
        assert_ne!(plan(&options(7)), plan(&options(8)));
    }

    #[test]
    fn as_many_faults_as_asked_for_and_every_role_meets_some() {
        let faults = plan(&options(1));
        let kills = faults.iter().filter(|f| f.kind == Kind::Kill).count();
        assert_eq!((kills, faults.len()), (200, 250));
        for role in Role::ALL {
            assert!(faults.iter().any(|fault| fault.role == role), "{role:?}");
        }
        let limit = options(1).heartbeat_limit;
        assert!(
            faults
                .iter()
                .all(|f| f.kind == Kind::Kill || f.span > limit)
        );
    }
}
