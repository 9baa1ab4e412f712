//! What a field of a message is: its place, its kind, its scale.

/// How the bytes of a field are to be understood. The number is the kind's code in a schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum FieldKind {
    /// Unsigned integer of 1, 2, 4 or 8 bytes, little-endian.
    Unsigned = 1,
    /// Signed integer of 1, 2, 4 or 8 bytes, two's complement, little-endian.
    Signed = 2,
    /// IEEE 754 binary floating point of 4 or 8 bytes.
    Float = 3,
    /// Text of fixed size, ASCII or UTF-8, padded on the right with spaces or zeros.
    Text = 4,
    /// Bytes without meaning to tools: shown in hexadecimal.
    Bytes = 5,
}

impl FieldKind {
    /// The kind with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => FieldKind::Unsigned,
            2 => FieldKind::Signed,
            3 => FieldKind::Float,
            4 => FieldKind::Text,
            5 => FieldKind::Bytes,
            _ => return None,
        })
    }
}

/// One field of a message type, as its program declares it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The field's name, as in the struct.
    pub name: &'static str,
    /// Where it begins, in bytes from the start of the payload.
    pub offset: usize,
    /// Its size in bytes.
    pub size: usize,
    /// What its bytes are.
    pub kind: FieldKind,
    /// The value is the integer times ten to this power: `-4` for prices in 1/10,000.
    pub scale: i8,
    /// The dictionary that gives the value a name, such as `symbol`; empty for none.
    pub dictionary: &'static str,
}

/// A Rust type that can be a field of a message.
pub trait FieldType {
    /// How tools are to read it.
    const KIND: FieldKind;
}

macro_rules! field_types {
    ($($type:ty => $kind:ident),* $(,)?) => {
        $(impl FieldType for $type { const KIND: FieldKind = FieldKind::$kind; })*
    };
}

field_types! {
    u8 => Unsigned, u16 => Unsigned, u32 => Unsigned, u64 => Unsigned,
    i8 => Signed, i16 => Signed, i32 => Signed, i64 => Signed,
    f32 => Float, f64 => Float,
}

/// Byte arrays are text, the common case in market data (symbols, firms, reasons).
impl<const N: usize> FieldType for [u8; N] {
    const KIND: FieldKind = FieldKind::Text;
}
