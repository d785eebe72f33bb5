//! One place for each key: its name, type, default, range and meaning are written down once.

/// Makes a struct of settings from a list of keys: the struct, its defaults, and how it is read and described.
///
/// `name: Type = default, Kind` is one key; `as "a.b"` after the type gives it another path than its name.
/// The doc lines of a key are its meaning in `docs/configuration.md`.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $path:literal)?: $type:ty = $default:expr, $kind:expr;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)+
                }
            }
        }

        impl $name {
            pub(super) fn read(
                &mut self,
                section: &$crate::config::reader::Section<'_>,
            ) -> Result<(), $crate::config::ConfigError> {
                $(
                    section.set(
                        $crate::config::settings::key_path!($field $($path)?),
                        concat!($($doc),+),
                        &mut self.$field,
                        &$kind,
                    )?;
                )+
                Ok(())
            }
        }
    };
}

/// The path of a key: its field's name unless another is given.
macro_rules! key_path {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $path:literal) => {
        $path
    };
}

pub(super) use {key_path, settings};
