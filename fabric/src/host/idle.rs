//! What a thread does when there is no work: the price of latency.

use std::time::Duration;

/// Pauses of [`IdleStrategy::Batch`] when work has come to an end.
pub const BATCH_PAUSES: u32 = 128;

/// How a duty cycle waits when it found nothing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdleStrategy {
    /// Spins without a pause: a whole core, and no mercy for a hyperthread beside it. Often slower
    /// than [`IdleStrategy::Pause`]: a reader that looks at a line without end keeps taking it away
    /// from the core that is about to write it.
    Busy,
    /// Spins with one of the processor's pause instructions between two looks: a whole core, kind
    /// to the hyperthread and to whoever writes the line that is looked at.
    #[default]
    Pause,
    /// As [`IdleStrategy::Pause`], but after work has come to an end waits [`BATCH_PAUSES`] pauses
    /// first: messages gather and are taken in runs. More messages a second, for that much latency.
    Batch,
    /// Gives the core to any other thread that wants it: for more agents than cores.
    Yield,
    /// Spins briefly, then yields, then sleeps in growing steps up to 1 ms: for those who need no
    /// latency.
    Park,
}

impl IdleStrategy {
    /// Waits once. `idle_cycles` counts the duty cycles in a row that found nothing.
    #[inline(always)]
    pub fn idle(self, idle_cycles: u64) {
        match self {
            IdleStrategy::Busy => {}
            IdleStrategy::Pause => std::hint::spin_loop(),
            IdleStrategy::Batch => {
                let pauses = if idle_cycles == 0 { BATCH_PAUSES } else { 1 };
                for _ in 0..pauses {
                    std::hint::spin_loop();
                }
            }
            IdleStrategy::Yield => std::thread::yield_now(),
            IdleStrategy::Park => park(idle_cycles),
        }
    }
}

impl std::str::FromStr for IdleStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "busy" => Ok(IdleStrategy::Busy),
            "pause" => Ok(IdleStrategy::Pause),
            "batch" => Ok(IdleStrategy::Batch),
            "yield" => Ok(IdleStrategy::Yield),
            "park" => Ok(IdleStrategy::Park),
            other => Err(format!(
                "`{other}` is no idle strategy: use busy, pause, batch, yield or park"
            )),
        }
    }
}

impl std::fmt::Display for IdleStrategy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            IdleStrategy::Busy => "busy",
            IdleStrategy::Pause => "pause",
            IdleStrategy::Batch => "batch",
            IdleStrategy::Yield => "yield",
            IdleStrategy::Park => "park",
        })
    }
}

#[cold]
fn park(idle_cycles: u64) {
    const SPINS: u64 = 100;
    const YIELDS: u64 = 50;
    if idle_cycles < SPINS {
        std::hint::spin_loop();
    } else if idle_cycles < SPINS + YIELDS {
        std::thread::yield_now();
    } else {
        let step = (idle_cycles - SPINS - YIELDS).min(10);
        std::thread::sleep(Duration::from_micros(1 << step).min(Duration::from_millis(1)));
    }
}
