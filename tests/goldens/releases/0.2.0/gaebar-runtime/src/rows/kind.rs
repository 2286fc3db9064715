//! The declaration of a kind: one line a property.

/// Declares a kind: a struct whose literals are rows, and how they become entities.
///
/// ```
/// use gaebar_runtime::rows::*;
///
/// gaebar_runtime::kind! {
///     pub struct Profile("Profile") {
///         about("about"): Prop<&'static str>, excluded, meaning 15;
///         friends("friends"): List<Key>;
///         full_name("full name"): &'static str;
///         website("website"): Prop<&'static str>, meaning 2;
///     }
/// }
///
/// let row = Profile {
///     key: Key("Profile/2"),
///     full_name: "Aral Balkan",
///     other: &[("nickname", Value::Null)],
///     ..Profile::BASE
/// };
/// let entity = row.entity()?;
/// assert_eq!(entity.key().to_string(), "Profile/2");
/// assert_eq!(entity.properties.len(), 3); // `friends` is an empty list, `about` is absent
/// # Ok::<(), RowError>(())
/// ```
#[macro_export]
macro_rules! kind {
    (
        pub struct $kind:ident($kind_name:literal) {
            $( $field:ident($name:literal): $ty:ty $(, $flag:ident $($meaning:literal)?)*; )*
        }
    ) => {
        #[doc = concat!("A row of kind ", stringify!($kind_name), ".")]
        #[derive(Debug, Clone, Copy)]
        #[allow(non_camel_case_types, non_snake_case)]
        pub struct $kind {
            /// The entity's key.
            pub key: $crate::rows::Key,
            $(
                #[doc = concat!("Property ", stringify!($name), ".")]
                pub $field: $ty,
            )*
            /// Properties that have no field, or whose value does not fit it.
            pub other: $crate::rows::List<(&'static str, $crate::rows::Value)>,
        }

        impl $kind {
            /// A row that says nothing yet.
            pub const BASE: Self = Self {
                key: $crate::rows::Key(""),
                $( $field: <$ty as $crate::rows::Field>::BASE, )*
                other: &[],
            };
        }

        impl $crate::rows::Row for $kind {
            const KIND: &'static str = $kind_name;

            fn entity(self) -> ::std::result::Result<$crate::model::Entity, $crate::rows::RowError> {
                let fields: &[(&'static str, ::std::result::Result<_, _>)] = &[
                    $( ($name, $crate::rows::Field::value(self.$field, $crate::kind!(@flags $(, $flag $($meaning)?)*))), )*
                ];
                $crate::rows::entity(self.key, fields.iter().cloned(), self.other)
            }
        }
    };
    (@flags) => { $crate::kind!(@flags false, 0) };
    (@flags, excluded) => { $crate::kind!(@flags true, 0) };
    (@flags, meaning $meaning:literal) => { $crate::kind!(@flags false, $meaning) };
    (@flags, excluded, meaning $meaning:literal) => { $crate::kind!(@flags true, $meaning) };
    (@flags $excluded:literal, $meaning:literal) => {
        $crate::rows::Flags { exclude_from_indexes: $excluded, meaning: $meaning }
    };
}
