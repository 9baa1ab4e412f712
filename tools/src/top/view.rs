//! The screen.

use super::Screen;
use crate::observe::{JournalState, LatencyState, SequencerState};
use crate::text::{age, bytes, count, duration, percent, rate, seconds};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// Columns of a row without its name.
const COLUMNS: usize = 62;

/// The most columns that a name gets: the longest there are.
const MAX_NAME: usize = 48;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [body, footer] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    let mut lines = header(screen);
    lines.extend(alarms(screen));
    let name_width = (body.width as usize)
        .saturating_sub(COLUMNS)
        .clamp(8, MAX_NAME);
    let (rows, fixed) = (table(screen, name_width), lines.len());
    let visible = (body.height as usize).saturating_sub(fixed);
    let scroll = screen.scroll.min(rows.len().saturating_sub(visible));
    lines.extend(rows.into_iter().skip(scroll));
    frame.render_widget(Paragraph::new(lines), body);
    frame.render_widget(Paragraph::new(foot(screen)), footer);
    if screen.help {
        help(frame);
    }
}

fn state_style(state: &str) -> Style {
    match state {
        "live" | "running" | "recording" => Style::new().fg(Color::Green),
        "left" | "stopped" | "ended" => Style::new().fg(Color::DarkGray),
        "waiting" | "draining" | "stalled" | "catch-up" => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

fn header(screen: &Screen) -> Vec<Line<'static>> {
    let state = &screen.state;
    let (status, detail) = match &state.sequencer {
        Some(one) => (
            one.state,
            format!("  process {}  epoch {}{}", one.pid, one.epoch, duty(one)),
        ),
        None => ("never started", String::new()),
    };
    let held = state
        .consumers
        .iter()
        .filter(|one| one.gates() && one.state != "left");
    let fill = held
        .map(|one| one.lag_percent)
        .fold(0.0, f64::max)
        .min(100.0);
    let mut lines = vec![
        Line::from(vec![
            Span::styled(
                state.fabric.clone(),
                Style::new().add_modifier(Modifier::BOLD),
            ),
            Span::raw("  sequencer "),
            Span::styled(status, state_style(status)),
            Span::raw(detail),
        ]),
        Line::raw(format!(
            "next {}   {}/s   ring {} frames, {:.0} % held   pages {}   types {}",
            state.next_sequence,
            rate(state.rate),
            count(state.stream_capacity),
            fill,
            state.pages,
            state.message_types
        )),
    ];
    if let Some(journal) = &state.journal {
        lines.push(journal_line(journal));
    }
    lines
}

/// What the sequencer does with its duty cycles; nothing before the second look.
fn duty(sequencer: &SequencerState) -> String {
    match (sequencer.busy_percent, sequencer.held_back_percent) {
        (Some(busy), Some(held)) => {
            format!("  busy {}, held {}", percent(busy), percent(held))
        }
        _ => String::new(),
    }
}

fn journal_line(journal: &JournalState) -> Line<'static> {
    // A disk that stopped it is no ordinary end.
    let style = match journal.state {
        "stopped" => state_style("dead"),
        state => state_style(state),
    };
    let free = journal
        .free_bytes
        .map_or(String::new(), |free| format!("; {} free", bytes(free)));
    Line::from(vec![
        Span::raw("journal "),
        Span::styled(journal.state, style),
        Span::raw(format!(
            "  {} {} to record, {} {} to sync{free}",
            count(journal.recorded_lag),
            seconds(journal.recorded_lag_s),
            count(journal.durable_lag),
            seconds(journal.durable_lag_s)
        )),
    ])
}

fn alarms(screen: &Screen) -> Vec<Line<'static>> {
    const SHOWN: usize = 4;
    let all = &screen.state.alarms;
    let mut lines: Vec<Line<'static>> = all
        .iter()
        .take(SHOWN)
        .map(|alarm| {
            Line::styled(
                format!("! {} {}: {}", alarm.alarm, alarm.subject, alarm.detail),
                Style::new().fg(Color::Red),
            )
        })
        .collect();
    if all.len() > SHOWN {
        lines.push(Line::raw(format!(
            "  and {} more alarms",
            all.len() - SHOWN
        )));
    }
    lines
}

fn title(text: String) -> Line<'static> {
    Line::styled(text, Style::new().add_modifier(Modifier::REVERSED))
}

fn latency(latency: Option<LatencyState>) -> String {
    match latency {
        Some(at) => format!(
            "{:>7}{:>7}{:>7}{:>7}",
            duration(at.p50_ns),
            duration(at.p99_ns),
            duration(at.p99_9_ns),
            duration(at.max_ns)
        ),
        None => format!("{:>7}{:>7}{:>7}{:>7}", "-", "-", "-", "-"),
    }
}

/// A name in so many columns; a longer one ends in `~`.
fn short(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return format!("{name:<width$}");
    }
    let kept: String = name.chars().take(width - 1).collect();
    format!("{kept}~")
}

fn row(name: &str, width: usize, state: &'static str, rest: String) -> Line<'static> {
    Line::from(vec![
        Span::raw(format!("{} ", short(name, width))),
        Span::styled(format!("{state:<8}"), state_style(state)),
        Span::raw(rest),
    ])
}

fn table(screen: &Screen, width: usize) -> Vec<Line<'static>> {
    let state = &screen.state;
    let mut lines = vec![title(format!(
        "{:<width$} {:<8}{:>7}{:>6}{:>6}{:>6}{:>7}{:>7}{:>7}{:>7}",
        "SOURCE", "state", "rate/s", "ring", "full", "idle", "p50", "p99", "p99.9", "max"
    ))];
    for one in screen.sorting.sources(&state.sources) {
        lines.push(row(
            &one.name,
            width,
            one.state,
            format!(
                "{:>7}{:>6}{:>6}{:>6}{}",
                rate(one.rate),
                percent(one.fill_percent),
                percent(one.back_pressure_percent),
                age(one.idle_s),
                latency(one.latency)
            ),
        ));
    }
    lines.push(Line::raw(""));
    lines.push(title(format!(
        "{:<width$} {:<8}{:>7}{:>7}{:>5}{:>6}{:>7}{:>7}{:>7}{:>7}",
        "CONSUMER", "state", "rate/s", "lag", "ring", "idle", "p50", "p99", "p99.9", "max"
    )));
    for one in screen.sorting.consumers(&state.consumers) {
        lines.push(row(
            &one.name,
            width,
            one.state,
            format!(
                "{:>7}{:>7}{:>5}{:>6}{}",
                rate(one.rate),
                count(one.lag),
                percent(one.lag_percent.min(100.0)),
                age(one.idle_s),
                latency(one.latency)
            ),
        ));
    }
    lines.extend(errors(screen, width));
    lines
}

/// Each distinct error once, with its count and times.
fn errors(screen: &Screen, width: usize) -> Vec<Line<'static>> {
    let state = &screen.state;
    if state.errors.is_empty() {
        return Vec::new();
    }
    let ago = |at: u64| age(Some(state.taken_ns.saturating_sub(at) as f64 / 1e9));
    let heading = format!("ERRORS ({})", state.errors.len());
    let mut lines = vec![
        Line::raw(""),
        title(format!(
            "{heading:<width$} {:>7} {:>6} {:>6}  {:<38}",
            "times", "last", "first", "what"
        )),
    ];
    for error in &state.errors {
        let about = match error.subject.as_str() {
            "" => error.agent.clone(),
            subject => subject.to_owned(),
        };
        lines.push(Line::from(vec![
            Span::raw(format!("{} ", short(&about, width))),
            Span::styled(
                format!("{:>7}", count(error.count)),
                Style::new().fg(Color::Yellow),
            ),
            Span::raw(format!(
                " {:>6} {:>6}  {}: {}",
                ago(error.last_ns),
                ago(error.first_ns),
                error.what,
                error.detail
            )),
        ]));
    }
    lines
}

fn foot(screen: &Screen) -> Line<'static> {
    let text = if screen.message.is_empty() {
        format!(
            "q quit  s sort ({})  r reset  p {}  h help   every {} ms",
            screen.sorting.name(),
            if screen.paused { "go on" } else { "pause" },
            screen.interval.as_millis()
        )
    } else {
        screen.message.clone()
    };
    Line::styled(text, Style::new().fg(Color::Cyan))
}

/// What the help shows, within the columns of its frame.
const HELP: [&str; 18] = [
    "busy   share of the sequencer's duty cycles that found work",
    "held   share of them that a consumer held back",
    "ring   share of the ring in use: at 100 % a producer waits, at 100 %",
    "       of a gating consumer's everybody does",
    "full   share of the last looks (50 a second) at a full ring:",
    "       back-pressure",
    "lag    frames that a consumer has still to read",
    "idle   time since it was last seen to move",
    "p50 .. from publishing to sequencing (sources), from sequencing",
    "       to the end of the handler (consumers), since the reset",
    "state  catch-up: reads the journal; stalled, frozen: behind, does",
    "       not move; dead: process died",
    "",
    "q, Esc   quit                  s   sort by the next column",
    "r        latencies from zero   p   pause",
    "up, down scroll                + - look more, less often",
    "",
    "h        close this",
];

/// Columns of the help without its frame.
const HELP_WIDTH: u16 = 70;

fn help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = (
        (HELP_WIDTH + 2).min(area.width),
        (HELP.len() as u16 + 2).min(area.height),
    );
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::raw(*line)).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(
        Paragraph::new(lines)
            .alignment(Alignment::Left)
            .block(Block::bordered().title(" selvedge top ")),
        place,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_its_frame_and_the_least_terminal() {
        for line in HELP {
            assert!(line.chars().count() <= usize::from(HELP_WIDTH), "{line}");
        }
        assert!(HELP.len() + 2 <= 24 && HELP_WIDTH + 2 <= 80);
    }

    #[test]
    fn a_name_takes_its_columns_and_no_more() {
        assert_eq!(short("feed", 8), "feed    ");
        assert_eq!(short("market-data", 8), "market-~");
    }
}
