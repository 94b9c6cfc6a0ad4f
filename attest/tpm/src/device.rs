//! The connection to the TPM.

use tss_esapi::{
    Context, TctiNameConf, WrapperErrorKind,
    constants::{
        CapabilityType,
        tss::{TPM2_LOADED_SESSION_FIRST, TPM2_TRANSIENT_FIRST},
    },
    handles::TpmHandle,
    structures::CapabilityData,
};

use crate::TpmError;

/// More loaded objects or sessions than any TPM has room for.
const HANDLES: u32 = 64;

/// An open TPM, with the name it was configured under for error messages.
pub(crate) struct Device {
    context: Context,
    tcti: String,
}

impl Device {
    /// Connects, and empties the TPM's few slots where no resource manager does.
    ///
    /// A TPM has room for about three objects. Without a resource manager, whatever a killed process left loaded stays
    /// there, and three leftovers make every later load fail.
    pub(crate) fn open(tcti: &str) -> Result<Self, TpmError> {
        let name: TctiNameConf = tcti.parse().map_err(|source| TpmError::UnknownTcti { tcti: tcti.to_owned(), source })?;
        let context = Context::new(name).map_err(|source| TpmError::Unreachable { tcti: tcti.to_owned(), source })?;
        let mut device = Self { context, tcti: tcti.to_owned() };
        if !has_resource_manager(tcti) {
            device.flush_all(TPM2_TRANSIENT_FIRST)?;
            device.flush_all(TPM2_LOADED_SESSION_FIRST)?;
        }
        Ok(device)
    }

    /// The TCTI string that the TPM was configured with.
    pub(crate) fn tcti(&self) -> &str {
        &self.tcti
    }

    /// Runs `commands` and reports a failure as that of `command`.
    pub(crate) fn run<T>(
        &mut self,
        command: &'static str,
        commands: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        commands(&mut self.context).map_err(|source| TpmError::Command { tcti: self.tcti.clone(), command, source })
    }

    fn flush_all(&mut self, first: u32) -> Result<(), TpmError> {
        for handle in self.handles_from(first)? {
            tracing::info!(handle = u32::from(handle), "flushing what another process left in the TPM");
            self.run("TPM2_FlushContext", |context| {
                let object = context.tr_from_tpm_public(handle)?;
                context.flush_context(object).or_else(|error| unless_flushed(error, handle))
            })?;
        }
        Ok(())
    }

    /// Handles that are in use, from `first` on within its range; not all, if there are many.
    pub(crate) fn handles_from(&mut self, first: u32) -> Result<Vec<TpmHandle>, TpmError> {
        let (capability, _) =
            self.run("TPM2_GetCapability", |context| context.get_capability(CapabilityType::Handles, first, HANDLES))?;
        match capability {
            CapabilityData::Handles(handles) => Ok(handles.into_inner()),
            _ => Ok(Vec::new()),
        }
    }
}

/// tss-esapi 7.7 flushes a policy session that it did not start itself, and then complains that it should not have.
fn unless_flushed(error: tss_esapi::Error, handle: TpmHandle) -> tss_esapi::Result<()> {
    match (error, handle) {
        (tss_esapi::Error::WrapperError(WrapperErrorKind::InvalidHandleState), TpmHandle::PolicySession(_)) => Ok(()),
        _ => Err(error),
    }
}

/// Whether every process gets a TPM of its own there: the access broker, or the kernel's resource manager.
fn has_resource_manager(tcti: &str) -> bool {
    tcti == "tabrmd" || tcti.starts_with("tabrmd:") || tcti.starts_with("device:/dev/tpmrm")
}

#[cfg(test)]
mod tests {
    use super::{Device, has_resource_manager};
    use crate::TpmError;

    #[test]
    fn only_managed_devices_are_left_alone() {
        for managed in ["tabrmd", "tabrmd:bus_type=session", "device:/dev/tpmrm0", "device:/dev/tpmrm1"] {
            assert!(has_resource_manager(managed), "{managed}");
        }
        for raw in ["device:/dev/tpm0", "device", "swtpm:host=127.0.0.1,port=2321", "mssim", "tabrmdx"] {
            assert!(!has_resource_manager(raw), "{raw}");
        }
    }

    #[test]
    fn an_unknown_tcti_is_named() {
        let error = Device::open("carrier-pigeon:loft=3").err().expect("refused");
        assert!(matches!(&error, TpmError::UnknownTcti { .. }), "{error:?}");
        assert!(error.to_string().contains("carrier-pigeon:loft=3"));
    }
}
