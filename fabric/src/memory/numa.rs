//! Which NUMA node new shared memory comes from.

use crate::error::{FabricError, Result};

/// While it lives, memory that this thread allocates comes from one node.
pub(super) struct NodeBinding;

const MPOL_DEFAULT: libc::c_long = 0;
const MPOL_BIND: libc::c_long = 2;

impl NodeBinding {
    /// Binds this thread's allocations to `node`.
    pub(super) fn to(node: u32) -> Result<Self> {
        let bits = u64::BITS;
        if node >= bits {
            return Err(FabricError::BadSetting {
                setting: "numa_node",
                value: node.to_string(),
                remedy: format!("nodes 0 to {} can be named", bits - 1),
            });
        }
        let mask: u64 = 1 << node;
        // SAFETY: the kernel reads one 64-bit mask, which outlives the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_set_mempolicy,
                MPOL_BIND,
                &mask as *const u64,
                libc::c_long::from(bits) + 1,
            )
        };
        if result != 0 {
            return Err(FabricError::Host {
                action: format!("allocate memory on NUMA node {node}"),
                source: std::io::Error::last_os_error(),
                remedy: "name a node that `numactl --hardware` lists, or none",
            });
        }
        Ok(NodeBinding)
    }
}

impl Drop for NodeBinding {
    fn drop(&mut self) {
        // SAFETY: without a mask the kernel reads nothing.
        unsafe {
            libc::syscall(
                libc::SYS_set_mempolicy,
                MPOL_DEFAULT,
                std::ptr::null::<u64>(),
                0 as libc::c_long,
            );
        }
    }
}
