//! `top`: the fabric live, on a terminal of 80 by 24 upwards.

mod sorting;
mod view;

use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::observe::{FabricState, SAMPLE_EVERY, Watcher, reset};
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use sorting::Sorting;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Options of `top`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Keys: q quit, s sort by the next column, r reset latencies, p pause, h help,
arrows scroll, + and - look more or less often.

Examples:
  selvedge top trading
  selvedge top fabric.toml --interval 200")]
pub struct TopArgs {
    /// The fabric's name, or its topology file; the only one there is unless said.
    fabric: Option<String>,
    /// Milliseconds between two looks.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    interval: u64,
}

/// What the screen shows.
pub struct Screen {
    /// The last look.
    pub state: FabricState,
    /// The order of rows.
    pub sorting: Sorting,
    /// Rows scrolled away.
    pub scroll: usize,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether looking is paused.
    pub paused: bool,
    /// Between two looks.
    pub interval: Duration,
    /// What was done last, for the last line.
    pub message: String,
}

/// Shows a fabric until told to stop.
pub fn run(args: &TopArgs) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(ToolError::NoTerminal);
    }
    let location = match &args.fabric {
        Some(text) => Location::of(text)?,
        None => the_only_one()?,
    };
    let mut watcher = Watcher::new(&location)?;
    let fabric = location.attach()?;
    let mut screen = Screen {
        state: watcher.look(),
        sorting: Sorting::default(),
        scroll: 0,
        help: false,
        paused: false,
        interval: Duration::from_millis(args.interval),
        message: String::new(),
    };
    let mut terminal = ratatui::try_init().map_err(ToolError::host("prepare the terminal"))?;
    let outcome = show(&mut terminal, &mut watcher, &mut screen, &fabric);
    ratatui::restore();
    outcome
}

fn the_only_one() -> Result<Location> {
    let mut all = Location::all();
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let mut names: Vec<String> = all.into_iter().map(|one| one.name).collect();
            names.push(last.name);
            Err(ToolError::WhichFabric {
                names: names.join(", "),
            })
        }
        (None, _) => Err(ToolError::WhichFabric {
            names: "none yet; create one first".to_owned(),
        }),
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    watcher: &mut Watcher,
    screen: &mut Screen,
    fabric: &selvedge_fabric::Fabric,
) -> Result<()> {
    let terminal_error = || ToolError::host("draw on the terminal");
    let mut due = Instant::now() + screen.interval;
    let mut changed = true;
    loop {
        if changed {
            // Only cells that changed are written: no flicker.
            terminal
                .draw(|frame| view::draw(frame, screen))
                .map_err(terminal_error())?;
        }
        changed = true;
        let wait = due.saturating_duration_since(Instant::now());
        if event::poll(wait.min(SAMPLE_EVERY)).map_err(terminal_error())? {
            if let Event::Key(key) = event::read().map_err(terminal_error())?
                && key.kind == KeyEventKind::Press
            {
                let interrupted =
                    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
                if interrupted || !press(screen, key.code, fabric) {
                    return Ok(());
                }
            }
            continue;
        }
        if Instant::now() < due {
            // Only whether rings are full, for the share of time that they are.
            if !screen.paused {
                watcher.sample();
            }
            changed = false;
            continue;
        }
        if !screen.paused {
            screen.state = watcher.look();
        }
        due = Instant::now() + screen.interval;
    }
}

/// Does what a key says. `false`: to quit.
fn press(screen: &mut Screen, key: KeyCode, fabric: &selvedge_fabric::Fabric) -> bool {
    screen.message.clear();
    match key {
        KeyCode::Char('q') | KeyCode::Esc if screen.help => screen.help = false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('h' | '?') => screen.help = !screen.help,
        KeyCode::Char('s') => screen.sorting = screen.sorting.next(),
        KeyCode::Char('p') => screen.paused = !screen.paused,
        KeyCode::Char('r') => {
            screen.message = match reset(fabric) {
                Ok(_) => "latencies start from zero".to_owned(),
                Err(error) => error.to_string(),
            };
        }
        KeyCode::Char('+') => {
            screen.interval = (screen.interval / 2).max(Duration::from_millis(50));
        }
        KeyCode::Char('-') => screen.interval = (screen.interval * 2).min(Duration::from_secs(60)),
        KeyCode::Down => screen.scroll += 1,
        KeyCode::Up => screen.scroll = screen.scroll.saturating_sub(1),
        _ => {}
    }
    true
}
