//! The macro that declares a message type.

/// Declares a message: a `#[repr(C)]` struct, its field table, and [`Message`](crate::message::Message).
///
/// Each field may be followed by `scale N` (the value is the integer times ten to the power N)
/// and `dictionary "name"` (the value is an id in that dictionary). A struct with padding or with
/// an alignment above eight bytes does not compile.
///
/// ```
/// use selvedge_fabric::message::{FieldKind, Message};
///
/// selvedge_fabric::message! {
///     /// One trade.
///     pub struct Trade: type 7, name "example.trade", version 1 {
///         /// Price in 1/10,000 dollars.
///         pub price: u64, scale -4;
///         /// Shares.
///         pub quantity: u32;
///         /// Which instrument.
///         pub symbol: u16, dictionary "symbol";
///         /// `B` or `S`.
///         pub side: [u8; 1];
///         /// Not used, zero.
///         pub reserved: u8;
///     }
/// }
///
/// assert_eq!(Trade::TYPE, 7);
/// assert_eq!(Trade::FIELDS[0].scale, -4);
/// assert_eq!(Trade::FIELDS[2].offset, 12);
/// assert_eq!(Trade::FIELDS[3].kind, FieldKind::Text);
/// ```
#[macro_export]
macro_rules! message {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident: type $type:expr, name $wire_name:literal, version $version:literal {
            $(
                $(#[$field_attribute:meta])*
                $field_visibility:vis $field:ident: $field_type:ty
                $(, scale $scale:literal)?
                $(, dictionary $dictionary:literal)?
                ;
            )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(
            Clone, Copy, PartialEq, Debug,
            $crate::zerocopy::FromBytes,
            $crate::zerocopy::IntoBytes,
            $crate::zerocopy::Immutable,
            $crate::zerocopy::KnownLayout,
        )]
        #[zerocopy(crate = "selvedge_fabric::zerocopy")]
        #[repr(C)]
        $visibility struct $name {
            $(
                $(#[$field_attribute])*
                $field_visibility $field: $field_type,
            )+
        }

        impl $crate::message::Message for $name {
            const TYPE: $crate::frame::MessageType = $type;
            const NAME: &'static str = $wire_name;
            const VERSION: u16 = $version;
            const FIELDS: &'static [$crate::message::Field] = &[
                $($crate::message::Field {
                    name: stringify!($field),
                    offset: ::core::mem::offset_of!($name, $field),
                    size: ::core::mem::size_of::<$field_type>(),
                    kind: <$field_type as $crate::message::FieldType>::KIND,
                    scale: $crate::message!(@scale $($scale)?),
                    dictionary: $crate::message!(@dictionary $($dictionary)?),
                },)+
            ];
        }

        const _: () = {
            assert!(
                ::core::mem::align_of::<$name>() <= 8,
                "a message's alignment is at most eight bytes"
            );
            assert!($type > 0, "message type 0 means no type");
        };
    };
    (@scale) => { 0 };
    (@scale $scale:literal) => { $scale };
    (@dictionary) => { "" };
    (@dictionary $dictionary:literal) => { $dictionary };
}
