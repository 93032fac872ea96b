//! What a run is at, for people: on a terminal a bar of its stages, which says for how long it has been at
//! one. Elsewhere there is none; the log has a line per stage.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Debug;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The stages of a run, in order.
const STAGES: [&str; 9] = [
    "ingest",
    "facts",
    "eligibility",
    "earnings",
    "payments",
    "write",
    "verify",
    "report",
    "publish",
];

static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Follows the stages that begin.
pub struct Follow;

impl<S: Subscriber> Layer<S> for Follow {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut begun = Begun(None);
        event.record(&mut begun);
        let place = begun.0.and_then(|stage| STAGES.iter().position(|known| *known == stage));
        let Some(place) = place else { return };
        let bar = BAR.get_or_init(|| {
            let bar = ProgressBar::new(STAGES.len() as u64);
            let style = ProgressStyle::with_template("{spinner} {bar:18} {msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_position(place as u64);
        bar.set_message(STAGES[place]);
        bar.reset_elapsed();
    }
}

/// The field `stage` of an event.
struct Begun(Option<String>);

impl Visit for Begun {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stage" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Nothing is done any more: the bar goes.
pub fn end() {
    if let Some(bar) = BAR.get() {
        bar.finish_and_clear();
    }
}

/// Standard error, with the bar out of the way.
pub struct Beside;

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match BAR.get() {
            Some(bar) => bar.suspend(|| std::io::stderr().write(bytes)),
            None => std::io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
