//! From an expression to one that is made for a message type, and the check that every name and
//! value in it makes sense for at least one.

use crate::check::{Check, FloatCheck, IntegerCheck, IntegerSource, OctetsCheck};
use crate::decode::{Shape, without_padding};
use crate::error::{QueryError, quoted};
use crate::expression::{Condition, Expression, Literal, Subject, Value};
use crate::header_field::HeaderField;
use crate::node::Node;
use crate::number::{Number, Place};
use crate::operator::{Comparison, Operator};
use crate::span::Span;
use crate::suggest;
use crate::truth::Truth;
use crate::utc::TimeLiteral;
use selvedge_fabric::message::{FieldSchema, MessageSchema};

/// A value that a field cannot be compared with.
struct Mismatch {
    span: Span,
    reason: String,
    advice: String,
}

impl Mismatch {
    fn new(span: Span, reason: impl Into<String>, advice: impl Into<String>) -> Self {
        Mismatch {
            span,
            reason: reason.into(),
            advice: advice.into(),
        }
    }
}

/// Makes `expression` for messages of `schema`; `None` for those of which only the header is
/// known.
pub(crate) fn compile(expression: &Expression, schema: Option<&MessageSchema>) -> Node {
    match expression {
        Expression::Constant(constant) => Node::Constant(Truth::from(*constant)),
        Expression::Not(inner) => Node::not(compile(inner, schema)),
        Expression::All(parts) => Node::all(parts.iter().map(|part| compile(part, schema))),
        Expression::Any(parts) => Node::any(parts.iter().map(|part| compile(part, schema))),
        Expression::Condition(condition) => match &condition.subject {
            Subject::Header(field) => header_condition(condition, *field, schema),
            Subject::Field(name) => schema
                .and_then(|schema| field_of(schema, name))
                .map_or(Ok(Node::Constant(Truth::Unknown)), |field| {
                    field_condition(condition, field)
                }),
        }
        .unwrap_or(Node::Constant(Truth::Unknown)),
    }
}

/// Checks that every field exists in one of `schemas` and is compared with values that it can be
/// compared with.
pub(crate) fn check(
    text: &str,
    expression: &Expression,
    schemas: &[&MessageSchema],
) -> Result<(), QueryError> {
    match expression {
        Expression::Constant(_) => Ok(()),
        Expression::Not(inner) => check(text, inner, schemas),
        Expression::All(parts) | Expression::Any(parts) => {
            parts.iter().try_for_each(|part| check(text, part, schemas))
        }
        Expression::Condition(condition) => check_condition(condition, schemas)
            .map_err(|fault| QueryError::new(text, fault.span, fault.reason, fault.advice)),
    }
}

fn check_condition(condition: &Condition, schemas: &[&MessageSchema]) -> Result<(), Mismatch> {
    let name = match &condition.subject {
        Subject::Header(field) => {
            header_condition(condition, *field, None)?;
            return if *field == HeaderField::Type {
                check_type_names(condition, schemas)
            } else {
                Ok(())
            };
        }
        Subject::Field(name) => name,
    };
    let mut fault = None;
    for schema in schemas {
        let Some(field) = field_of(schema, name) else {
            continue;
        };
        match field_condition(condition, field) {
            Ok(_) => return Ok(()),
            Err(mismatch) => fault = fault.or(Some(mismatch)),
        }
    }
    Err(fault.unwrap_or_else(|| unknown_field(condition.span, name, schemas)))
}

fn unknown_field(span: Span, name: &str, schemas: &[&MessageSchema]) -> Mismatch {
    let fields = schemas
        .iter()
        .flat_map(|schema| &schema.fields)
        .map(|field| field.name.as_str());
    let header = HeaderField::ALL.iter().map(|field| field.name());
    Mismatch::new(
        span,
        format!("no message type has a field {}", quoted(name)),
        suggest::advice(name, fields.chain(header)),
    )
}

/// A type that nobody registered is a slip of the pen, unless only its place in the alphabet is
/// asked for.
fn check_type_names(condition: &Condition, schemas: &[&MessageSchema]) -> Result<(), Mismatch> {
    if matches!(condition.operator, Operator::Compare(comparison) if comparison.is_order()) {
        return Ok(());
    }
    for value in &condition.values {
        if let Literal::Text(text) = &value.literal
            && !schemas
                .iter()
                .any(|schema| trimmed(&schema.name) == trimmed(text))
        {
            let advice = if schemas.is_empty() {
                "no type is registered yet: write the type's number, or wait for the first message"
                    .to_owned()
            } else {
                suggest::advice(text, schemas.iter().map(|schema| schema.name.as_str()))
            };
            return Err(Mismatch::new(
                value.span,
                format!("no message type is named {}", quoted(text)),
                advice,
            ));
        }
    }
    Ok(())
}

fn field_of<'s>(schema: &'s MessageSchema, name: &str) -> Option<&'s FieldSchema> {
    schema.fields.iter().find(|field| field.name == name)
}

/// The values of a condition by what they are.
#[derive(Default)]
struct Sorted {
    places: Vec<Place>,
    octets: Vec<Box<[u8]>>,
}

impl Sorted {
    /// The tests of the values: one of each kind that there is.
    fn nodes(
        self,
        operator: Operator,
        integer: impl FnOnce(IntegerCheck) -> Check,
        octets: impl FnOnce(OctetsCheck) -> Check,
    ) -> Node {
        let integers = integer_check(operator, self.places).map(integer);
        let texts = octets_check(operator, self.octets).map(octets);
        Node::any(integers.into_iter().chain(texts).map(Node::Check))
    }
}

/// The test of an integer against `places`. `None`: there are none.
fn integer_check(operator: Operator, places: Vec<Place>) -> Option<IntegerCheck> {
    let first = *places.first()?;
    Some(match operator {
        Operator::Compare(comparison) => IntegerCheck::compare(comparison, first),
        Operator::In => IntegerCheck::one_of(places.into_iter()),
    })
}

/// The test of bytes against `values`. `None`: there are none.
fn octets_check(operator: Operator, mut values: Vec<Box<[u8]>>) -> Option<OctetsCheck> {
    if values.is_empty() {
        return None;
    }
    Some(match operator {
        Operator::Compare(comparison) => OctetsCheck::Compare(comparison, values.swap_remove(0)),
        Operator::In => OctetsCheck::one_of(values),
    })
}

fn trimmed(text: &str) -> &[u8] {
    without_padding(text.as_bytes())
}

/// A condition on the header.
fn header_condition(
    condition: &Condition,
    field: HeaderField,
    schema: Option<&MessageSchema>,
) -> Result<Node, Mismatch> {
    let operator = condition.operator;
    let mut sorted = Sorted::default();
    let mut times_of_day = Vec::new();
    for value in &condition.values {
        match (&value.literal, field) {
            (Literal::Number(number), _) => sorted.places.push(number.place(0)),
            (Literal::Text(text), HeaderField::Source | HeaderField::Type) => {
                sorted.octets.push(trimmed(text).into());
            }
            (Literal::Text(text), HeaderField::Time) => {
                let (list, nanos) = match TimeLiteral::parse(text) {
                    Some(TimeLiteral::Instant(nanos)) => (&mut sorted.places, nanos),
                    Some(TimeLiteral::OfDay(nanos)) => (&mut times_of_day, nanos),
                    None => return Err(no_time(value.span, text)),
                };
                list.push(Place {
                    floor: nanos.into(),
                    exact: true,
                });
            }
            (Literal::Text(text), _) => return Err(not_a_number(value.span, field.name(), text)),
            (Literal::Bool(_), _) => {
                return Err(Mismatch::new(
                    value.span,
                    format!("`{}` is never true or false", field.name()),
                    "compare it with a number or a name",
                ));
            }
        }
    }
    if field == HeaderField::Type {
        return Ok(type_condition(operator, sorted, schema));
    }
    let of_day = integer_check(operator, times_of_day)
        .map(|check| Node::Check(Check::Integer(IntegerSource::TimeOfDay, check)));
    let integer = |check| Check::Integer(IntegerSource::Header(field), check);
    let others = sorted.nodes(operator, integer, Check::Source);
    Ok(Node::any(of_day.into_iter().chain([others])))
}

/// A condition on the type: for messages of a known type, nothing is left to test.
fn type_condition(operator: Operator, sorted: Sorted, schema: Option<&MessageSchema>) -> Node {
    let by_number = integer_check(operator, sorted.places).map(|check| match schema {
        Some(schema) => Node::Constant(check.holds(schema.message_type.into()).into()),
        None => Node::Check(Check::Integer(
            IntegerSource::Header(HeaderField::Type),
            check,
        )),
    });
    let by_name = octets_check(operator, sorted.octets).map(|check| {
        Node::Constant(match schema {
            Some(schema) => check.holds(trimmed(&schema.name)).into(),
            None => Truth::Unknown,
        })
    });
    Node::any(by_number.into_iter().chain(by_name))
}

/// A condition on a field of the message.
fn field_condition(condition: &Condition, field: &FieldSchema) -> Result<Node, Mismatch> {
    match Shape::of(field) {
        Shape::Unsigned | Shape::Signed => integer_condition(condition, field),
        shape @ (Shape::Float32 | Shape::Float64) => {
            float_condition(condition, field, shape == Shape::Float32)
        }
        Shape::Text => octets_condition(condition, field, |value| match &value.literal {
            Literal::Text(text) => Ok(trimmed(text).into()),
            _ => Err(Mismatch::new(
                value.span,
                format!("{} is text", quoted(&field.name)),
                "write the value in double quotes",
            )),
        }),
        Shape::Bytes => octets_condition(condition, field, |value| {
            match &value.literal {
                Literal::Text(text) => hexadecimal(text),
                _ => None,
            }
            .ok_or_else(|| {
                Mismatch::new(
                    value.span,
                    format!("{} is bytes", quoted(&field.name)),
                    "write the value in hexadecimal and in double quotes, two digits a byte: \"00ff\"",
                )
            })
        }),
    }
}

fn integer_condition(condition: &Condition, field: &FieldSchema) -> Result<Node, Mismatch> {
    let operator = condition.operator;
    let mut sorted = Sorted::default();
    let mut flags = Vec::new();
    for value in &condition.values {
        match &value.literal {
            Literal::Number(number) => sorted.places.push(number.place(field.scale)),
            Literal::Text(text) if !field.dictionary.is_empty() => {
                sorted.octets.push(trimmed(text).into());
            }
            Literal::Text(text) => return Err(not_a_number(value.span, &field.name, text)),
            Literal::Bool(wanted) => {
                // A flag that is set is any number but zero.
                let zero = match operator {
                    Operator::In | Operator::Compare(Comparison::Equal) => !wanted,
                    Operator::Compare(Comparison::NotEqual) => *wanted,
                    Operator::Compare(_) => {
                        return Err(Mismatch::new(
                            value.span,
                            "true and false have no order",
                            "use == or !=, or compare with a number",
                        ));
                    }
                };
                flags.push(IntegerCheck::Range {
                    low: 0,
                    high: 0,
                    inside: zero,
                });
            }
        }
    }
    let integer = |check| Check::Integer(IntegerSource::Field(field.clone()), check);
    let flags: Vec<Node> = flags
        .into_iter()
        .map(|check| Node::Check(integer(check)))
        .collect();
    let others = sorted.nodes(operator, integer, |check| {
        Check::Named(field.clone(), check)
    });
    Ok(Node::any(flags.into_iter().chain([others])))
}

fn float_condition(
    condition: &Condition,
    field: &FieldSchema,
    single: bool,
) -> Result<Node, Mismatch> {
    let mut values = Vec::with_capacity(condition.values.len());
    for value in &condition.values {
        match &value.literal {
            Literal::Number(number) if single => values.push(f64::from(number.single())),
            Literal::Number(number) => values.push(number.double()),
            Literal::Text(text) => return Err(not_a_number(value.span, &field.name, text)),
            Literal::Bool(_) => {
                return Err(Mismatch::new(
                    value.span,
                    format!("{} is a floating point number", quoted(&field.name)),
                    "compare it with a number",
                ));
            }
        }
    }
    let check = match (condition.operator, values.first()) {
        (Operator::Compare(comparison), Some(value)) => FloatCheck::Compare(comparison, *value),
        _ => FloatCheck::OneOf(values.into()),
    };
    Ok(Node::Check(Check::Float(field.clone(), check)))
}

fn octets_condition(
    condition: &Condition,
    field: &FieldSchema,
    octets: impl Fn(&Value) -> Result<Box<[u8]>, Mismatch>,
) -> Result<Node, Mismatch> {
    let values: Result<Vec<_>, _> = condition.values.iter().map(octets).collect();
    Ok(Node::any(
        octets_check(condition.operator, values?)
            .map(|check| Node::Check(Check::Octets(field.clone(), check)))
            .into_iter(),
    ))
}

/// The bytes that `text` writes in hexadecimal.
fn hexadecimal(text: &str) -> Option<Box<[u8]>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn no_time(span: Span, text: &str) -> Mismatch {
    Mismatch::new(
        span,
        format!("{} is not a time", quoted(text)),
        "write UTC as \"2012-06-21T09:30:00.5Z\" or \"2012-06-21\", a time of any day as \"09:30:00\", or nanoseconds since 1970 as a number",
    )
}

fn not_a_number(span: Span, name: &str, text: &str) -> Mismatch {
    let advice = if Number::parse(text.trim()).is_ok() {
        "write the value without quotes"
    } else {
        "compare it with a number"
    };
    Mismatch::new(span, format!("{} is a number", quoted(name)), advice)
}
