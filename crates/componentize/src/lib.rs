//! From a core module that carries its WIT to a component that any runtime with
//! WASI 0.2 can run, and what that component asks for and offers.

use std::collections::BTreeMap;
use std::fmt;
use wasmparser::{Parser, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

/// What a component asks of its runtime, and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interfaces {
    /// Each imported interface with the functions that are imported from it:
    /// none where only its types are used.
    pub imports: BTreeMap<String, Vec<String>>,
    /// Each exported interface with its functions.
    pub exports: BTreeMap<String, Vec<String>>,
}

/// Why something is no component that a runtime can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No component can be made of the module.
    Module(String),
    /// The bytes are not a valid component.
    Invalid(String),
    /// It asks for something other than the interfaces allowed.
    Import(String),
    /// It doesn't offer just what is wanted.
    Exports {
        /// What it offers.
        found: Vec<String>,
        /// What it should offer.
        wanted: Vec<String>,
    },
}

/// Makes a component out of a core module.
///
/// # Errors
/// `Module` where the module is none, or is not what its WIT says.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Error> {
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|e| Error::Module(format!("{e:#}")))
}

/// Validates a component and reads its interfaces.
///
/// # Errors
/// `Invalid` where the bytes are no component, or need more than WASI 0.2 hosts
/// can be expected to have: WebAssembly 2.0 and the component model.
pub fn inspect(component: &[u8]) -> Result<Interfaces, Error> {
    if !Parser::is_component(component) {
        return Err(Error::Invalid("it is no component".into()));
    }
    Validator::new_with_features(WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL)
        .validate_all(component)
        .map_err(|e| Error::Invalid(e.to_string()))?;
    let decoded = wit_component::decode(component).map_err(|e| Error::Invalid(format!("{e:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Error::Invalid("it is a WIT package".into()));
    };
    let world = &resolve.worlds[world];
    let functions = |(key, item): (&_, &_)| {
        let name = resolve.name_world_key(key);
        let functions = match item {
            WorldItem::Interface { id, .. } => {
                resolve.interfaces[*id].functions.keys().cloned().collect()
            }
            WorldItem::Function(function) => vec![function.name.clone()],
            WorldItem::Type { .. } => Vec::new(),
        };
        (name, functions)
    };
    Ok(Interfaces {
        imports: world.imports.iter().map(functions).collect(),
        exports: world.exports.iter().map(functions).collect(),
    })
}

impl Interfaces {
    /// Checks that the component uses functions of no interface but those in
    /// `imports`, types of no other but those in `types`, and exports exactly
    /// `exports`.
    ///
    /// # Errors
    /// `Import` and `Exports`.
    pub fn check(
        &self,
        imports: &[String],
        types: &[String],
        exports: &[String],
    ) -> Result<(), Error> {
        for (interface, functions) in &self.imports {
            let types_only = functions.is_empty() && types.contains(interface);
            if !types_only && !imports.contains(interface) {
                return Err(Error::Import(match functions.first() {
                    Some(function) => format!("{interface}#{function}"),
                    None => interface.clone(),
                }));
            }
        }
        let mut wanted = exports.to_vec();
        wanted.sort();
        if self.exports.keys().eq(&wanted) {
            Ok(())
        } else {
            Err(Error::Exports {
                found: self.exports.keys().cloned().collect(),
                wanted,
            })
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(reason) => write!(formatter, "no component can be made of it: {reason}"),
            Self::Invalid(reason) => write!(formatter, "the component is not valid: {reason}"),
            Self::Import(import) => write!(
                formatter,
                "the component imports {import}, which is not allowed"
            ),
            Self::Exports { found, wanted } => write!(
                formatter,
                "the component exports {found:?} where it should export {wanted:?}"
            ),
        }
    }
}

impl std::error::Error for Error {}
