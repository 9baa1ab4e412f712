//! Which role runs where.

use super::options::Placement;
use selvedge_fabric::host::IdleStrategy;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an agent of the demo does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Imposes the total order.
    Sequencer,
    /// Writes it to disk.
    Journal,
    /// Decodes ITCH and publishes it.
    Feed,
    /// Keeps books and sends orders.
    Strategy,
    /// Answers orders from a simulated exchange.
    Gateway,
}

impl Role {
    /// All roles, in the order in which a single thread steps them.
    pub const ALL: [Role; 5] = [
        Role::Sequencer,
        Role::Journal,
        Role::Strategy,
        Role::Gateway,
        Role::Feed,
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Role::Sequencer => "sequencer",
            Role::Journal => "journal",
            Role::Feed => "feed",
            Role::Strategy => "strategy",
            Role::Gateway => "gateway",
        })
    }
}

/// Roles that share one thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// The roles, in the order in which they are stepped.
    pub roles: Vec<Role>,
    /// The core the thread is pinned to.
    pub core: Option<usize>,
    /// `true`: spins when idle. `false`: yields, because more threads than cores want to run.
    pub spin: bool,
}

impl Group {
    /// How the thread waits.
    pub fn idle(&self) -> IdleStrategy {
        if self.spin {
            IdleStrategy::Pause
        } else {
            IdleStrategy::Yield
        }
    }

    /// The roles, for people.
    pub fn names(&self) -> String {
        let names: Vec<String> = self.roles.iter().map(Role::to_string).collect();
        names.join(" + ")
    }
}

/// What groups are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Processes of their own.
    Processes,
    /// Threads of this process.
    Threads,
    /// One thread, deterministic.
    Stepped,
}

/// Where everything runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What the groups are.
    pub kind: Kind,
    /// The groups.
    pub groups: Vec<Group>,
    /// Cores this host offers.
    pub cores: usize,
}

impl Plan {
    /// A plan for a host with these cores.
    ///
    /// Never more spinning threads than cores. With a core to spare, the first is left to the
    /// operating system.
    pub fn new(placement: Placement, cores: &[usize]) -> Self {
        use Role::{Feed, Gateway, Journal, Sequencer, Strategy};
        let count = cores.len().max(1);
        let kind = match placement {
            Placement::Auto | Placement::Processes => Kind::Processes,
            Placement::Threads => Kind::Threads,
            Placement::Stepped => Kind::Stepped,
        };
        let roles: Vec<Vec<Role>> = match (placement, count) {
            (Placement::Stepped, _) => vec![Role::ALL.to_vec()],
            (Placement::Processes, _) => Role::ALL.map(|role| vec![role]).to_vec(),
            (_, 1) => vec![Role::ALL.to_vec()],
            (_, 2) => vec![vec![Sequencer, Journal], vec![Strategy, Gateway, Feed]],
            (_, 3) => vec![
                vec![Sequencer],
                vec![Journal, Feed],
                vec![Strategy, Gateway],
            ],
            (_, 4) => vec![
                vec![Sequencer],
                vec![Journal],
                vec![Feed],
                vec![Strategy, Gateway],
            ],
            _ => Role::ALL.map(|role| vec![role]).to_vec(),
        };
        let spin = roles.len() <= count;
        let spare = cores.len() > roles.len();
        let groups = roles
            .into_iter()
            .enumerate()
            .map(|(index, roles)| Group {
                roles,
                core: (spin && kind != Kind::Stepped)
                    .then(|| cores.get(index + usize::from(spare)).copied())
                    .flatten(),
                spin,
            })
            .collect();
        Plan {
            kind,
            groups,
            cores: count,
        }
    }

    /// The plan in a few words.
    pub fn describe(&self) -> String {
        let what = match (self.kind, self.groups.len()) {
            (Kind::Stepped, _) => {
                return "stepped: all roles in one thread, deterministic".to_owned();
            }
            (Kind::Processes, 1) => "1 process".to_owned(),
            (Kind::Threads, 1) => "1 thread".to_owned(),
            (Kind::Processes, count) => format!("{count} processes"),
            (Kind::Threads, count) => format!("{count} threads of one process"),
        };
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|group| match group.core {
                Some(core) => format!("[{}] on core {core}", group.names()),
                None => format!("[{}]", group.names()),
            })
            .collect();
        let why = match (self.groups.len() < Role::ALL.len(), self.groups[0].spin) {
            (true, _) => format!(", composed because this host offers {} cores", self.cores),
            (false, false) => format!(
                ", yielding instead of spinning because this host offers {} cores",
                self.cores
            ),
            (false, true) => String::new(),
        };
        format!("{what}: {}{why}", groups.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_one_place_and_no_core_two_spinners() {
        for placement in [
            Placement::Auto,
            Placement::Processes,
            Placement::Threads,
            Placement::Stepped,
        ] {
            for count in 1..20 {
                let cores: Vec<usize> = (0..count).map(|core| core * 2).collect();
                let plan = Plan::new(placement, &cores);
                let mut roles: Vec<Role> =
                    plan.groups.iter().flat_map(|g| g.roles.clone()).collect();
                assert_eq!(roles.len(), 5);
                roles.dedup();
                roles.sort_by_key(Role::to_string);
                roles.dedup();
                assert_eq!(roles.len(), 5);
                let mut pinned: Vec<usize> =
                    plan.groups.iter().filter_map(|group| group.core).collect();
                let spinning = plan.groups.iter().filter(|group| group.spin).count();
                assert!(spinning <= count, "{placement:?} {count}");
                pinned.sort_unstable();
                let all = pinned.len();
                pinned.dedup();
                assert_eq!(pinned.len(), all, "two groups on one core");
                assert!(pinned.iter().all(|core| cores.contains(core)));
            }
        }
    }
}
