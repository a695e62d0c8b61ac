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
