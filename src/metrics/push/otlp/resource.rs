//! Who sends: the resource of OpenTelemetry. The machine is not named, but for a digest that tells one prober from another.

use sha2::{Digest as _, Sha256};

use super::environment::pairs;
use super::proto::{Any, AnyValue, KeyValue, Resource, Scope};
use crate::base::secret::Secret;

/// What the service is called where nobody says otherwise.
const SERVICE: &str = "mcp-probe";

/// An attribute.
pub(super) fn attribute(key: impl Into<String>, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }) }
}

/// An attribute that is a text.
pub(super) fn text(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    attribute(key, Any::Text(value.into()))
}

/// What made it.
pub(super) fn scope() -> Scope {
    Scope { name: SERVICE.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// The resource, by what the environment says: `OTEL_SERVICE_NAME` wins over `OTEL_RESOURCE_ATTRIBUTES`, and both over what
/// is usual.
pub(super) fn resource(environment: &[(String, Secret)]) -> Resource {
    let variable = |name: &str| environment.iter().find(|(have, _)| have == name).map(|(_, value)| value.reveal());
    let mut attributes: Vec<(String, String)> = vec![
        ("service.name".to_owned(), SERVICE.to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id".to_owned(), instance()),
    ];
    let said = variable("OTEL_RESOURCE_ATTRIBUTES").into_iter().flat_map(pairs);
    let name = variable("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name.to_owned()));
    for (key, value) in said.chain(name) {
        match attributes.iter_mut().find(|(have, _)| *have == key) {
            Some((_, have)) => *have = value,
            None => attributes.push((key, value)),
        }
    }
    Resource { attributes: attributes.into_iter().map(|(key, value)| text(key, value)).collect() }
}

/// The same after every start on this machine in this folder, so that series go on; another one elsewhere. Written as a
/// UUID (version 8: of our own making).
fn instance() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [SERVICE, &read("/etc/machine-id"), &read("/proc/sys/kernel/hostname"), &folder.to_string_lossy()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let bytes: [u8; 16] = hash.finalize().first_chunk().copied().unwrap_or_default();
    let id = u128::from_be_bytes(bytes);
    let id = (id & !(0xf << 76) & !(0b11 << 62)) | (0x8 << 76) | (0b10 << 62);
    let digits = format!("{id:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(environment: &[(&str, &str)]) -> Vec<(String, String)> {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        let text = |attribute: KeyValue| match attribute.value.and_then(|value| value.value) {
            Some(Any::Text(text)) => (attribute.key, text),
            other => panic!("{other:?}"),
        };
        resource(&environment).attributes.into_iter().map(text).collect()
    }

    #[test]
    fn what_the_environment_says_wins() {
        let usual = said(&[]);
        assert_eq!(usual[0], ("service.name".into(), "mcp-probe".into()));
        let id = &usual[2].1;
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'8'), "{id}");
        assert_eq!(said(&[])[2].1, *id, "the same each time");
        let own = said(&[
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, deployment.environment.name=prod%2Ceu,broken,=x"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        assert_eq!(own[0].1, "mine");
        assert_eq!(own[3..], [("deployment.environment.name".into(), "prod,eu".into())]);
    }
}
