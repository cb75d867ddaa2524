package procmon

import "culprit/internal/event"

// Operations as Process Monitor names them. Codes and names were compared with Process Monitor's own CSV of five
// captures (versions 2.8 and 3.6); those that none of them holds follow the numbering of Windows' file information
// classes and of Process Monitor 3.9 and later.

// Event classes of a PML.
const (
	classProcess   = 1
	classRegistry  = 2
	classFile      = 3
	classProfiling = 4
	classNetwork   = 5
)

// Operations that mean more to us than their name.
const (
	opProcessDefined = 0
	opProcessCreate  = 1
	opProcessExit    = 2
	opThreadCreate   = 3
	opThreadExit     = 4
	opLoadImage      = 5
	opProcessStart   = 7

	opProcessStatistics = 8
	opSystemStatistics  = 9

	opRegCreateKey = 1

	opThreadProfiling  = 0
	opProcessProfiling = 1

	opCreateFile       = 20
	opDirectoryControl = 32
	subQueryDirectory  = 1

	opSend    = 2
	opReceive = 3
	opAccept  = 4
	opConnect = 5
)

// Process Monitor's word for what it has no name for.
const unknownName = "<Unknown>"

var classNames = [...]string{unknownName, "Process", "Registry", "File System", "Profiling", "Network"}

// An operation is what a class and a code stand for.
type operation struct {
	name     string
	kind     string // event.type, its second value for network events
	role     string // event.Role
	category string // procmon.category where the operation alone decides it
	path     uint8  // registry: where in the details the path begins
	subs     map[uint8]string
}

// Categories of Process Monitor.
const (
	catRead      = "Read"
	catWrite     = "Write"
	catReadMeta  = "Read Metadata"
	catWriteMeta = "Write Metadata"
)

var unknownOperation = operation{name: unknownName, kind: "info", path: 2}

var processOperations = [...]operation{
	{name: "Process Defined", kind: "info", role: event.RoleProcess},
	{name: "Process Create", kind: "info"},
	{name: "Process Exit", kind: "end", role: event.RoleEnd},
	{name: "Thread Create", kind: "info"},
	{name: "Thread Exit", kind: "info"},
	{name: "Load Image", kind: "start"},
	{name: "Thread Profile", kind: "info"},
	{name: "Process Start", kind: "start", role: event.RoleStart},
	{name: "Process Statistics", kind: "info"},
	{name: "System Statistics", kind: "info"},
}

var registryOperations = [...]operation{
	{name: "RegOpenKey", kind: "access", category: catRead, path: 8},
	{name: "RegCreateKey", kind: "access", path: 8}, // its category is in the result
	{name: "RegCloseKey", kind: "info", path: 2},
	{name: "RegQueryKey", kind: "access", category: catRead, path: 12},
	{name: "RegSetValue", kind: "change", category: catWrite, path: 16},
	{name: "RegQueryValue", kind: "access", category: catRead, path: 12},
	{name: "RegEnumValue", kind: "access", category: catRead, path: 16},
	{name: "RegEnumKey", kind: "access", category: catRead, path: 16},
	{name: "RegSetInfoKey", kind: "change", category: catWriteMeta, path: 16},
	{name: "RegDeleteKey", kind: "deletion", category: catWrite, path: 2},
	{name: "RegDeleteValue", kind: "deletion", category: catWrite, path: 2},
	{name: "RegFlushKey", kind: "info", path: 2},
	{name: "RegLoadKey", kind: "change", path: 4},
	{name: "RegUnloadKey", kind: "change", path: 2},
	{name: "RegRenameKey", kind: "change", category: catWrite, path: 4},
	{name: "RegQueryMultipleValueKey", kind: "access", category: catRead, path: 2},
	{name: "RegSetKeySecurity", kind: "change", category: catWriteMeta, path: 2},
	{name: "RegQueryKeySecurity", kind: "access", category: catReadMeta, path: 2},
	{name: unknownName, kind: "info", path: 2}, // since 2022, when Process Monitor met RegSaveKey; its name was never seen
	{name: "RegRestoreKey", kind: "change", path: 8},
}

var profilingOperations = [...]operation{
	{name: "Thread Profiling", kind: "info"},
	{name: "Process Profiling", kind: "info"},
	{name: "Debug Output Profiling", kind: "info"},
}

// Network operations, first UDP's names, then TCP's.
var networkOperations = [2][10]operation{netOperations("UDP "), netOperations("TCP ")}

func netOperations(transport string) [10]operation {
	return [10]operation{
		{name: transport + "Unknown"},
		{name: transport + "Other"},
		{name: transport + "Send", role: event.RoleSend},
		{name: transport + "Receive", role: event.RoleReceive},
		{name: transport + "Accept", kind: "start", role: event.RoleAccept},
		{name: transport + "Connect", kind: "start", role: event.RoleConnect},
		{name: transport + "Disconnect", kind: "end", role: event.RoleDisconnect},
		{name: transport + "Reconnect"},
		{name: transport + "Retransmit"}, // what a Send told already
		{name: transport + "TCPCopy"},
	}
}

// File operations below 20 are fast I/O and file system filter callbacks; from 20 on they are IRP_MJ_ codes plus 20.
var fileOperations = [...]operation{
	{name: "VolumeDismount", kind: "info"},
	{name: "VolumeMount", kind: "info"},
	{name: "FASTIO_MDL_WRITE_COMPLETE", kind: "info"},
	{name: "WriteFile", kind: "change", category: catWrite}, // FASTIO_PREPARE_MDL_WRITE
	{name: "FASTIO_MDL_READ_COMPLETE", kind: "info"},
	{name: "ReadFile", kind: "access", category: catRead}, // FASTIO_MDL_READ
	{name: "QueryOpen", kind: "access"},
	{name: "FASTIO_CHECK_IF_POSSIBLE", kind: "info"},
	{name: "IRP_MJ_12", kind: "info"},
	{name: "IRP_MJ_11", kind: "info"},
	{name: "IRP_MJ_10", kind: "info"},
	{name: "IRP_MJ_9", kind: "info"},
	{name: "IRP_MJ_8", kind: "info"},
	{name: "FASTIO_NOTIFY_STREAM_FO_CREATION", kind: "info"},
	{name: "FASTIO_RELEASE_FOR_CC_FLUSH", kind: "info"},
	{name: "FASTIO_ACQUIRE_FOR_CC_FLUSH", kind: "info"},
	{name: "FASTIO_RELEASE_FOR_MOD_WRITE", kind: "info"},
	{name: "FASTIO_ACQUIRE_FOR_MOD_WRITE", kind: "info"},
	{name: "FASTIO_RELEASE_FOR_SECTION_SYNCHRONIZATION", kind: "info"},
	{name: "CreateFileMapping", kind: "access"},
	{name: "CreateFile", kind: "access"}, // its category is in the result
	{name: "CreatePipe", kind: "creation"},
	{name: "IRP_MJ_CLOSE", kind: "info"},
	{name: "ReadFile", kind: "access", category: catRead},
	{name: "WriteFile", kind: "change", category: catWrite},
	{name: "QueryInformationFile", kind: "access", category: catReadMeta, subs: queryInformation},
	{name: "SetInformationFile", kind: "change", category: catWriteMeta, subs: setInformation},
	{name: "QueryEAFile", kind: "access", category: catReadMeta},
	{name: "SetEAFile", kind: "change", category: catWriteMeta},
	{name: "FlushBuffersFile", kind: "info"},
	{name: "QueryVolumeInformation", kind: "access", subs: queryVolume},
	{name: "SetVolumeInformation", kind: "change", subs: setVolume},
	{name: "DirectoryControl", kind: "access", category: catReadMeta, subs: directoryControl},
	{name: "FileSystemControl", kind: "info"},
	{name: "DeviceIoControl", kind: "info"},
	{name: "InternalDeviceIoControl", kind: "info"},
	{name: "Shutdown", kind: "info"},
	{name: "LockUnlockFile", kind: "info", subs: lockControl},
	{name: "CloseFile", kind: "info"},
	{name: "CreateMailSlot", kind: "creation"},
	{name: "QuerySecurityFile", kind: "access", category: catReadMeta},
	{name: "SetSecurityFile", kind: "change", category: catWriteMeta},
	{name: "Power", kind: "info"},
	{name: "SystemControl", kind: "info"},
	{name: "DeviceChange", kind: "info"},
	{name: "QueryFileQuota", kind: "access"},
	{name: "SetFileQuota", kind: "change"},
	{name: "PlugAndPlay", kind: "info", subs: plugAndPlay},
}

// Names by FILE_INFORMATION_CLASS. "Infomraiton" is Process Monitor's.
var queryInformation = map[uint8]string{
	0x04: "QueryBasicInformationFile", 0x05: "QueryStandardInformationFile", 0x06: "QueryFileInternalInformationFile",
	0x07: "QueryEaInformationFile", 0x09: "QueryNameInformationFile", 0x0e: "QueryPositionInformationFile",
	0x12: "QueryAllInformationFile", 0x14: "QueryEndOfFile", 0x16: "QueryStreamInformationFile",
	0x1c: "QueryCompressionInformationFile", 0x1d: "QueryId", 0x1f: "QueryMoveClusterInformationFile",
	0x22: "QueryNetworkOpenInformationFile", 0x23: "QueryAttributeTagFile", 0x25: "QueryIdBothDirectory",
	0x27: "QueryValidDataLength", 0x28: "QueryShortNameInformationFile", 0x2b: "QueryIoPiorityHint", 0x2e: "QueryLinks",
	0x30: "QueryNormalizedNameInformationFile", 0x31: "QueryNetworkPhysicalNameInformationFile",
	0x32: "QueryIdGlobalTxDirectoryInformation", 0x33: "QueryIsRemoteDeviceInformation", 0x34: "QueryAttributeCacheInformation",
	0x35: "QueryNumaNodeInformation", 0x36: "QueryStandardLinkInformation", 0x37: "QueryRemoteProtocolInformation",
	0x38: "QueryRenameInformationBypassAccessCheck", 0x39: "QueryLinkInformationBypassAccessCheck",
	0x3a: "QueryVolumeNameInformation", 0x3b: "QueryIdInformation", 0x3c: "QueryIdExtdDirectoryInformation",
	0x3e: "QueryHardLinkFullIdInformation", 0x3f: "QueryIdExtdBothDirectoryInformation",
	0x43: "QueryDesiredStorageClassInformation", 0x44: "QueryStatInformation", 0x45: "QueryMemoryPartitionInformation",
	0x46: "QuerySatLxInformation", 0x47: "QueryCaseSensitiveInformation", 0x48: "QueryLinkInformationEx",
	0x49: "QueryLinkInfomraitonBypassAccessCheck", 0x4a: "QueryStorageReservedIdInformation",
	0x4b: "QueryCaseSensitiveInformationForceAccessCheck",
}

var setInformation = map[uint8]string{
	0x04: "SetBasicInformationFile", 0x0a: "SetRenameInformationFile", 0x0b: "SetLinkInformationFile",
	subDisposition: "SetDispositionInformationFile", 0x0e: "SetPositionInformationFile", 0x13: "SetAllocationInformationFile",
	0x14: "SetEndOfFileInformationFile", 0x16: "SetFileStreamInformation", 0x17: "SetPipeInformation",
	0x27: "SetValidDataLengthInformationFile", 0x28: "SetShortNameInformation", 0x3d: "SetReplaceCompletionInformation",
	subDispositionEx: "SetDispositionInformationEx", 0x41: "SetRenameInformationEx",
	0x42: "SetRenameInformationExBypassAccessCheck", 0x4a: "SetStorageReservedIdInformation",
}

// Marking a file for deletion counts as a write, the other settings as writes of metadata.
const (
	opSetInformation = 26
	subDisposition   = 0x0d
	subDispositionEx = 0x40
)

var queryVolume = map[uint8]string{
	1: "QueryInformationVolume", 2: "QueryLabelInformationVolume", 3: "QuerySizeInformationVolume", 4: "QueryDeviceInformationVolume",
	5: "QueryAttributeInformationVolume", 6: "QueryControlInformationVolume", 7: "QueryFullSizeInformationVolume",
	8: "QueryObjectIdInformationVolume",
}

var setVolume = map[uint8]string{
	1: "SetControlInformationVolume", 2: "SetLabelInformationVolume", 8: "SetObjectIdInformationVolume",
}

var directoryControl = map[uint8]string{subQueryDirectory: "QueryDirectory", 2: "NotifyChangeDirectory"}

var lockControl = map[uint8]string{1: "LockFile", 2: "UnlockFileSingle", 3: "UnlockFileAll", 4: "UnlockFileByKey"}

// Names by IRP_MN_ code of IRP_MJ_PNP.
var plugAndPlay = map[uint8]string{
	0x00: "StartDevice", 0x01: "QueryRemoveDevice", 0x02: "RemoveDevice", 0x03: "CancelRemoveDevice", 0x04: "StopDevice",
	0x05: "QueryStopDevice", 0x06: "CancelStopDevice", 0x07: "QueryDeviceRelations", 0x08: "QueryInterface",
	0x09: "QueryCapabilities", 0x0a: "QueryResources", 0x0b: "QueryResourceRequirements", 0x0c: "QueryDeviceText",
	0x0d: "FilterResourceRequirements", 0x0f: "ReadConfig", 0x10: "WriteConfig", 0x11: "Eject", 0x12: "SetLock", 0x13: "QueryId",
	0x14: "QueryPnpDeviceState", 0x15: "QueryBusInformation", 0x16: "DeviceUsageNotification", 0x17: "SurpriseRemoval",
	0x18: "QueryLegacyBusInformation",
}

// operationOf gives the operation of a class and code; tcp matters for network events only.
func operationOf(class uint32, code uint16, tcp bool) *operation {
	var table []operation
	switch class {
	case classProcess:
		table = processOperations[:]
	case classRegistry:
		table = registryOperations[:]
	case classFile:
		table = fileOperations[:]
	case classProfiling:
		table = profilingOperations[:]
	case classNetwork:
		table = networkOperations[0][:]
		if tcp {
			table = networkOperations[1][:]
		}
	}
	if int(code) >= len(table) {
		return &unknownOperation
	}
	return &table[code]
}

// sub is the name of a file operation with its first detail byte, which most leave 0.
func (o *operation) sub(minor uint8) string {
	if o.subs == nil {
		return o.name
	}
	if name, ok := o.subs[minor]; ok {
		return name
	}
	if minor == 0 {
		return o.name
	}
	return unknownName
}

// mayHaveRole says whether an event of this class and code can matter to attribution, before its details are looked at.
func mayHaveRole(class uint32, code uint16) bool {
	if class == classNetwork {
		return code < 10 && networkOperations[0][code].role != ""
	}
	return class == classProcess && int(code) < len(processOperations) && processOperations[code].role != ""
}
