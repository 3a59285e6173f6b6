//! The variables of OpenTelemetry that a push without `url` is made of, and those that hold of every push of this kind.
//! Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "SDK environment variables".

use crate::base::percent;
use crate::base::secret::Secret;
use crate::config::Environment;

/// Under this key the settings of a push hold what was read.
pub(super) const KEY: &str = "environment";

/// What holds whatever the file says.
const OF_ALL: [&str; 3] = ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED"];
/// What each signal may have of its own: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`, …
const PARTS: [&str; 8] =
    ["ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];
const SIGNALS: [&str; 4] = ["", "METRICS_", "TRACES_", "LOGS_"];

/// Variables whose values are secrets: the headers.
pub(super) fn secret_variables() -> impl Iterator<Item = String> {
    SIGNALS.iter().map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}HEADERS"))
}

/// Reads what is set; `whole` also what only a push without `url` takes. `secrets` collects what must not be shown.
pub(super) fn read(environment: &dyn Environment, whole: bool, secrets: &mut Vec<String>) -> Vec<(String, Secret)> {
    let of_exporter = SIGNALS
        .iter()
        .flat_map(|signal| PARTS.iter().map(move |part| format!("OTEL_EXPORTER_OTLP_{signal}{part}")))
        .filter(|_| whole);
    let names = OF_ALL.iter().map(|name| (*name).to_owned()).chain(of_exporter);
    // A variable that is empty is as good as unset.
    let set = names.filter_map(|name| Some((environment.variable(&name).filter(|value| !value.is_empty())?, name)));
    let read = set.map(|(value, name)| {
        if name.ends_with("HEADERS") {
            secrets.extend(pairs(&value).map(|(_, value)| value));
        }
        (name, Secret::new(value))
    });
    read.collect()
}

/// `key=value,key=value`, both percent-encoded, as W3C Baggage has it. What is no pair is left out.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = percent::decoded(name.trim());
        (!name.is_empty()).then(|| (name, percent::decoded(value.trim())))
    })
}
