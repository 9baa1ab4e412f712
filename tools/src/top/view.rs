//! The screen.

use super::Screen;
use crate::observe::LatencyState;
use crate::text::{age, bytes, count, nanoseconds, rate};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [body, footer] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    let mut lines = header(screen);
    lines.extend(alarms(screen));
    let (rows, fixed) = (table(screen), lines.len());
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
        "live" | "running" => Style::new().fg(Color::Green),
        "left" | "stopped" => Style::new().fg(Color::DarkGray),
        "waiting" | "draining" | "stalled" => Style::new().fg(Color::Yellow),
        _ => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

fn header(screen: &Screen) -> Vec<Line<'static>> {
    let state = &screen.state;
    let (status, detail) = match &state.sequencer {
        Some(one) => (
            one.state,
            format!(" process {}, epoch {}", one.pid, one.epoch),
        ),
        None => ("never started", String::new()),
    };
    let held = state
        .consumers
        .iter()
        .filter(|one| one.kind != "copying" && one.state != "left");
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
        let lag = state
            .consumers
            .iter()
            .find(|one| one.name == "journal")
            .map_or(0, |one| one.lag);
        lines.push(Line::raw(format!(
            "journal {} frames behind, {} free at {}",
            count(lag),
            bytes(journal.free_bytes),
            journal.directory
        )));
    }
    lines
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
            "{:>8}{:>8}{:>8}{:>8}",
            nanoseconds(at.p50_ns),
            nanoseconds(at.p99_ns),
            nanoseconds(at.p99_9_ns),
            nanoseconds(at.max_ns)
        ),
        None => format!("{:>8}{:>8}{:>8}{:>8}", "-", "-", "-", "-"),
    }
}

fn row(name: &str, state: &'static str, rest: String) -> Line<'static> {
    let short: String = name.chars().take(16).collect();
    Line::from(vec![
        Span::raw(format!("{short:<16} ")),
        Span::styled(format!("{state:<8}"), state_style(state)),
        Span::raw(rest),
    ])
}

fn table(screen: &Screen) -> Vec<Line<'static>> {
    let state = &screen.state;
    let mut lines = vec![title(format!(
        "{:<16} {:<8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8} ",
        "SOURCE", "state", "rate/s", "ring", "idle", "p50", "p99", "p99.9", "max"
    ))];
    for one in screen.sorting.sources(&state.sources) {
        lines.push(row(
            &one.name,
            one.state,
            format!(
                "{:>8}{:>7.1}%{:>7}{}",
                rate(one.rate),
                one.fill_percent,
                age(one.idle_s),
                latency(one.latency)
            ),
        ));
    }
    lines.push(Line::raw(""));
    lines.push(title(format!(
        "{:<16} {:<8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8} ",
        "CONSUMER", "state", "rate/s", "lag", "idle", "p50", "p99", "p99.9", "max"
    )));
    for one in screen.sorting.consumers(&state.consumers) {
        lines.push(row(
            &one.name,
            one.state,
            format!(
                "{:>8}{:>8}{:>7}{}",
                rate(one.rate),
                count(one.lag),
                age(one.idle_s),
                latency(one.latency)
            ),
        ));
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

fn help(frame: &mut Frame<'_>) {
    const TEXT: [&str; 14] = [
        "ring   share of the source's ring that waits for the sequencer;",
        "       at 100 % its producer waits",
        "lag    frames that a consumer has still to read; a gating one",
        "       holds the stream back when they fill the ring",
        "idle   time since it was last seen to move",
        "p50 .. from publishing to sequencing (sources), from sequencing",
        "       to the end of the handler (consumers), since the reset",
        "state  stalled, frozen: behind, does not move; dead: process died",
        "",
        "q, Esc   quit                  s   sort by the next column",
        "r        latencies from zero   p   pause",
        "up, down scroll                + - look more, less often",
        "",
        "h        close this",
    ];
    let area = frame.area();
    let (width, height) = (68.min(area.width), 16.min(area.height));
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = TEXT.iter().map(|line| Line::raw(*line)).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(
        Paragraph::new(lines)
            .alignment(Alignment::Left)
            .block(Block::bordered().title(" selvedge top ")),
        place,
    );
}
