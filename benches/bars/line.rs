//! A line of the table: what was measured, and the bar that it is held to.

use cedargate::bench::shown;
use serde::Serialize;
use serde_json::json;

/// One bar, measured.
#[derive(Clone, Debug)]
pub struct Line {
    /// Says what stands over and what under the line of a ratio, in that order.
    pub what: String,
    pub measured: Measured,
    pub bar: Bar,
    /// What else was seen, and is held to no bar.
    pub beside: Vec<String>,
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantity {
    pub value: f64,
    pub unit: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum Measured {
    Ratio { over: Quantity, under: Quantity },
    Absolute(Quantity),
}

#[derive(Clone, Copy, Debug)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// So many microseconds.
pub fn microseconds(value: f64) -> Quantity {
    Quantity { value, unit: "µs" }
}

pub fn milliseconds(value: f64) -> Quantity {
    Quantity { value, unit: "ms" }
}

impl Line {
    pub fn ratio(what: impl Into<String>, over: Quantity, under: Quantity, bar: Bar) -> Self {
        Self { what: what.into(), measured: Measured::Ratio { over, under }, bar, beside: Vec::new() }
    }

    pub fn absolute(what: impl Into<String>, quantity: Quantity, bar: Bar) -> Self {
        Self { what: what.into(), measured: Measured::Absolute(quantity), bar, beside: Vec::new() }
    }

    #[must_use]
    pub fn beside(mut self, text: impl Into<String>) -> Self {
        self.beside.push(text.into());
        self
    }

    /// Not a number is never met.
    pub fn is_met(&self) -> bool {
        let Quantity { value, .. } = self.measured.result();
        match self.bar {
            Bar::AtMost(most) => value <= most,
            Bar::AtLeast(least) => value >= least,
        }
    }

    /// The bar, as `≤ 1.5 ×`.
    pub fn bar_text(&self) -> String {
        let unit = self.measured.result().unit;
        match self.bar {
            Bar::AtMost(most) => format!("≤ {} {unit}", plain(most)),
            Bar::AtLeast(least) => format!("≥ {} {unit}", plain(least)),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        let numbers = match self.measured {
            Measured::Ratio { over, under } => json!({"over": over, "under": under}),
            Measured::Absolute(_) => json!({}),
        };
        let (result, bar, is_met) = (self.measured.result(), self.bar_text(), self.is_met());
        json!({"what": self.what, "result": result, "of": numbers, "bar": bar, "met": is_met, "beside": self.beside})
    }
}

impl Measured {
    fn result(self) -> Quantity {
        match self {
            Self::Ratio { over, under } => Quantity { value: over.value / under.value, unit: "×" },
            Self::Absolute(quantity) => quantity,
        }
    }

    /// All its numbers, as `3.0 µs / 2.0 µs = 1.50 ×`.
    pub fn text(self) -> String {
        let text = |Quantity { value, unit }: Quantity| format!("{} {unit}", shown(value));
        match self {
            Self::Ratio { over, under } => format!("{} / {} = {}", text(over), text(under), text(self.result())),
            Self::Absolute(quantity) => text(quantity),
        }
    }
}

/// As the bar was set: no more digits than it has.
fn plain(value: f64) -> String {
    if value < 1000.0 { value.to_string() } else { shown(value) }
}
