//! What is known of a service.

/// A service, as far as what it said tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Its name: `ssh`, `http`, ….
    pub name: String,
    /// The program.
    pub product: Option<String>,
    /// Who makes it, where that says more than the product.
    pub vendor: Option<String>,
    /// The program's version.
    pub version: Option<String>,
    /// What else it tells of itself.
    pub extra: Option<String>,
    /// The operating system that it runs on.
    pub os: Option<String>,
    /// The kind of device that it runs on, or its model.
    pub device: Option<String>,
    /// CPE 2.3 names of it.
    pub cpe: Vec<String>,
    /// How sure that is, 1 to 100.
    pub score: u8,
}

/// The score of what was concluded from behaviour, without a signature.
const SCORE_BEHAVIOUR: u8 = 30;

impl Service {
    /// A service that is known by its behaviour alone.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            product: None,
            vendor: None,
            version: None,
            extra: None,
            os: None,
            device: None,
            cpe: Vec::new(),
            score: SCORE_BEHAVIOUR,
        }
    }
}
