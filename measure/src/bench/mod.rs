//! `selvedge bench`: open-loop measurements with a report.

use crate::child::ChildHost;
use crate::error::Result;

pub(crate) fn one_way(_host: &mut ChildHost) -> Result<serde_json::Value> {
    Ok(serde_json::Value::Null)
}
pub(crate) fn tell_counters(_host: &mut ChildHost) -> Result<serde_json::Value> {
    Ok(serde_json::Value::Null)
}
