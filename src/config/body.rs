//! `body`: a template of the user's own making, compiled and tried when the file is read. A name that does not exist is a
//! mistake, and nothing but the template's own text is left unescaped: that is what `tojson` is for.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

/// The name of the template in messages.
const BODY: &str = "body";
/// Bytes of a body: more no receiver takes.
const BYTES_MAX: usize = 1024 * 1024;

/// A template that can be filled in.
pub struct Body {
    environment: Environment<'static>,
    bytes_max: usize,
}

impl Body {
    /// Compiles a template, and fills it in with each of these, so that its mistakes show before anything is sent.
    ///
    /// # Errors
    /// A sentence with the line of the template.
    pub fn compile(text: &str, samples: impl IntoIterator<Item = Value>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_template_owned(BODY, text.to_owned()).map_err(|error| told(&error))?;
        let body = Self { environment, bytes_max: BYTES_MAX };
        for sample in samples {
            body.fill(&sample)?;
        }
        Ok(body)
    }

    /// The same for a receiver that takes more.
    #[must_use]
    pub fn up_to(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Fills it in.
    ///
    /// # Errors
    /// A sentence, where a name does not exist or the text becomes too long.
    pub fn fill(&self, document: &Value) -> Result<String, String> {
        let template = self.environment.get_template(BODY).map_err(|error| told(&error))?;
        let body = template.render(Serde(document)).map_err(|error| told(&error))?;
        if body.len() > self.bytes_max {
            return Err(format!("`body` became {} bytes long; {} are the limit", body.len(), self.bytes_max));
        }
        Ok(body)
    }
}

fn told(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    format!("`body` is no usable template: {}{line}{detail}", error.kind())
}
