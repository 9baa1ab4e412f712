//! Agents: work in small steps, with the thread and the waiting outside.
//!
//! A sequencer, a journal, a feed handler is an [`Agent`]: each call does what there is to do now
//! and returns. The same agent runs pinned on a core of its own, shares a thread with others on a
//! small host, or is stepped by a test.

use crate::host::IdleStrategy;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whatever stopped an agent, in words for a person.
pub type AgentError = Box<dyn std::error::Error + Send + Sync>;

/// What a step of an agent did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There was nothing to do.
    Idle,
    /// It did something.
    Worked,
    /// It is done for good and is not to be called again.
    Finished,
}

impl Progress {
    /// Idle for none, worked otherwise.
    #[inline]
    pub fn of(count: usize) -> Self {
        if count == 0 {
            Progress::Idle
        } else {
            Progress::Worked
        }
    }
}

/// Something that works in steps and never waits.
pub trait Agent {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// One step of its duty cycle.
    fn do_work(&mut self) -> Result<Progress, AgentError>;
}

/// Steps all agents in turn until each is finished, one fails, or `stop` is set. Waits by `idle`
/// after rounds in which none had anything to do.
pub fn run(
    agents: &mut [&mut dyn Agent],
    idle: IdleStrategy,
    stop: &AtomicBool,
) -> Result<(), AgentError> {
    let mut finished = vec![false; agents.len()];
    let mut idle_rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut worked = false;
        for (agent, finished) in agents.iter_mut().zip(&mut finished) {
            if *finished {
                continue;
            }
            match agent.do_work()? {
                Progress::Idle => {}
                Progress::Worked => worked = true,
                Progress::Finished => {
                    *finished = true;
                    worked = true;
                }
            }
        }
        if finished.iter().all(|&finished| finished) {
            break;
        }
        if worked {
            idle_rounds = 0;
        } else {
            idle.idle(idle_rounds);
            idle_rounds += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Countdown(u32);

    impl Agent for Countdown {
        fn name(&self) -> &str {
            "countdown"
        }

        fn do_work(&mut self) -> Result<Progress, AgentError> {
            self.0 = self
                .0
                .checked_sub(1)
                .ok_or("stepped after it had finished")?;
            Ok(match self.0 {
                0 => Progress::Finished,
                odd if odd % 2 == 1 => Progress::Idle,
                _ => Progress::Worked,
            })
        }
    }

    #[test]
    fn agents_run_until_each_has_finished() {
        let (mut short, mut long) = (Countdown(3), Countdown(10));
        run(
            &mut [&mut short, &mut long],
            IdleStrategy::Yield,
            &AtomicBool::new(false),
        )
        .expect("none fails");
        assert_eq!((short.0, long.0), (0, 0));
    }

    #[test]
    fn a_failure_ends_the_run() {
        let result = run(
            &mut [&mut Countdown(0)],
            IdleStrategy::Busy,
            &AtomicBool::new(false),
        );
        assert!(result.is_err());
    }
}
