package procmon

import "strconv"

// Names of flags and codes as Process Monitor shows them. The values are those of the Windows SDK and DDK (winnt.h,
// ntifs.h, wdm.h); words and their order were read from Process Monitor's own CSV where a recording has them.

// genericAccess are the rights that the four generic bits of an access mask stand for, from bit 31 down: read, write,
// execute, all.
type genericAccess [4]uint32

var (
	genericFile = genericAccess{0x120089, 0x120116, 0x1200a0, 0x1f01ff}
	genericKey  = genericAccess{0x20019, 0x20006, 0x20019, 0xf003f}
)

var fileAccess = []flagName{
	{0x1f01ff, "All Access"},
	{0x1201bf, "Generic Read/Write/Execute"},
	{0x12019f, "Generic Read/Write"},
	{0x1200a9, "Generic Read/Execute"},
	{0x1201b6, "Generic Write/Execute"},
	{0x120089, "Generic Read"},
	{0x120116, "Generic Write"},
	{0x1200a0, "Generic Execute"},
	{0x1, "Read Data/List Directory"},
	{0x2, "Write Data/Add File"},
	{0x4, "Append Data/Add Subdirectory/Create Pipe Instance"},
	{0x8, "Read EA"},
	{0x10, "Write EA"},
	{0x20, "Execute/Traverse"},
	{0x40, "Delete Child"},
	{0x80, "Read Attributes"},
	{0x100, "Write Attributes"},
	{0x10000, "Delete"},
	{0x20000, "Read Control"},
	{0x40000, "Write DAC"},
	{0x80000, "Write Owner"},
	{0x100000, "Synchronize"},
	{0x1000000, "Access System Security"},
	{0x2000000, "Maximum Allowed"},
}

var keyAccess = []flagName{
	{0xf003f, "All Access"},
	{0x2001f, "Read/Write"},
	{0x20019, "Read"},
	{0x20006, "Write"},
	{0x1, "Query Value"},
	{0x2, "Set Value"},
	{0x4, "Create Sub Key"},
	{0x8, "Enumerate Sub Keys"},
	{0x10, "Notify"},
	{0x20, "Create Link"},
	{0x300, "WOW64_Res"},
	{0x200, "WOW64_32Key"},
	{0x100, "WOW64_64Key"},
	{0x10000, "Delete"},
	{0x20000, "Read Control"},
	{0x40000, "Write DAC"},
	{0x80000, "Write Owner"},
	{0x100000, "Synchronize"},
	{0x1000000, "Access System Security"},
	{0x2000000, "Maximum Allowed"},
}

// appendAccess appends an access mask.
func appendAccess(dst []byte, mask uint32, generic genericAccess, names []flagName) []byte {
	for i, m := range generic {
		if mask&(1<<31>>i) != 0 {
			mask |= m
		}
	}
	at := len(dst)
	dst, _ = appendKnownFlags(dst, mask, names, ", ")
	if len(dst) == at {
		dst = strconv.AppendUint(append(dst, "None 0x"...), uint64(mask), 16)
	}
	return dst
}

var createOptions = []flagName{
	{0x1, "Directory"},
	{0x2, "Write Through"},
	{0x4, "Sequential Access"},
	{0x8, "No Buffering"},
	{0x10, "Synchronous IO Alert"},
	{0x20, "Synchronous IO Non-Alert"},
	{0x40, "Non-Directory File"},
	{0x80, "Create Tree Connection"},
	{0x100, "Complete If Oplocked"},
	{0x200, "No EA Knowledge"},
	{0x400, "Open for Recovery"},
	{0x800, "Random Access"},
	{0x1000, "Delete On Close"},
	{0x2000, "Open By ID"},
	{0x4000, "Open For Backup"},
	{0x8000, "No Compression"},
	{0x100000, "Reserve OpFilter"},
	{0x200000, "Open Reparse Point"},
	{0x400000, "Open No Recall"},
	{0x800000, "Open For Free Space Query"},
	{0x10000, "Open Requiring Oplock"},
	{0x20000, "Disallow Exclusive"},
}

// fileAttributes have no marks between them: RHS.
var fileAttributes = []flagName{
	{0x1, "R"},
	{0x2, "H"},
	{0x4, "S"},
	{0x10, "D"},
	{0x20, "A"},
	{0x40, "D"}, // a device
	{0x80, "N"},
	{0x100, "T"},
	{0x200, "SF"},
	{0x400, "RP"},
	{0x800, "C"},
	{0x1000, "O"},
	{0x2000, "NCI"},
	{0x4000, "E"},
	{0x10000, "V"},
}

func appendAttributes(dst []byte, v uint32) []byte {
	if v == 0 {
		return append(dst, "n/a"...)
	}
	dst, _ = appendKnownFlags(dst, v, fileAttributes, "")
	return dst
}

var shareModes = []flagName{{1, "Read"}, {2, "Write"}, {4, "Delete"}}

var ioFlags = []flagName{
	{0x10, "Buffered"},
	{0x1, "Non-cached"},
	{0x2, "Paging I/O"},
	{0x4, "Synchronous"},
	{0x40, "Synchronous Paging I/O"},
	{0x400000, "Write Through"},
}

var ioPriorities = [...]string{1: "Very Low", 2: "Low", 3: "Normal", 4: "High", 5: "Critical"}

var (
	dispositions = [...]string{"Supersede", "Open", "Create", "OpenIf", "Overwrite", "OverwriteIf"}
	openResults  = [...]string{"Superseded", "Opened", "Created", "Overwritten", "Exists", "DoesNotExist"}
)

// nameOf gives an entry of a table of names, or other.
func nameOf(names []string, v uint32, other string) string {
	if int64(v) < int64(len(names)) && names[v] != "" {
		return names[v]
	}
	return other
}

var notifyFilters = []flagName{
	{0x1, "FILE_NOTIFY_CHANGE_FILE_NAME"},
	{0x2, "FILE_NOTIFY_CHANGE_DIR_NAME"},
	{0x4, "FILE_NOTIFY_CHANGE_ATTRIBUTES"},
	{0x8, "FILE_NOTIFY_CHANGE_SIZE"},
	{0x10, "FILE_NOTIFY_CHANGE_LAST_WRITE"},
	{0x20, "FILE_NOTIFY_CHANGE_LAST_ACCESS"},
	{0x40, "FILE_NOTIFY_CHANGE_CREATION"},
	{0x80, "FILE_NOTIFY_CHANGE_EA"},
	{0x100, "FILE_NOTIFY_CHANGE_SECURITY"},
	{0x200, "FILE_NOTIFY_CHANGE_STREAM_NAME"},
	{0x400, "FILE_NOTIFY_CHANGE_STREAM_SIZE"},
	{0x800, "FILE_NOTIFY_CHANGE_STREAM_WRITE"},
}

var securityParts = []flagName{
	{0x1, "Owner"},
	{0x2, "Group"},
	{0x4, "DACL"},
	{0x8, "SACL"},
	{0x10, "Label"},
	{0x20, "Attribute"},
	{0x40, "Scope"},
	{0x80, "Process Trust Label"},
	{0x10000, "Backup"},
	{0x80000000, "DACL Protected"},
	{0x40000000, "SACL Protected"},
	{0x20000000, "DACL Unprotected"},
	{0x10000000, "SACL Unprotected"},
}

// pageProtections are alternatives, the first that is there counts; Process Monitor doesn't know PAGE_EXECUTE_WRITECOPY in
// the versions that were compared.
var pageProtections = []flagName{
	{0x02, "PAGE_READONLY"},
	{0x04, "PAGE_READWRITE"},
	{0x08, "PAGE_WRITECOPY"},
	{0x10, "PAGE_EXECUTE"},
	{0x20, "PAGE_EXECUTE_READ"},
	{0x40, "PAGE_EXECUTE_READWRITE"},
	{0x80, "PAGE_EXECUTE_WRITECOPY"},
}

const pageNoCache = 0x200

var fileSystemAttributes = []flagName{
	{0x2, "Case Preserved"},
	{0x1, "Case Sensitive"},
	{0x4, "Unicode"},
	{0x8, "ACLs"},
	{0x10, "Compression"},
	{0x40000, "Named Streams"},
	{0x20000, "EFS"},
	{0x10000, "Object IDs"},
	{0x80, "Reparse Points"},
	{0x40, "Sparse Files"},
	{0x20, "Quotas"},
	{0x200000, "Transactions"},
}

var deviceTypes = [...]string{
	1: "Beep", "CD-ROM", "CD-ROM File System", "Controller", "Datalink", "DFS", "Disk", "Disk File System", "File System",
	"Inport Port", "Keyboard", "Mailslot", "MIDI In", "MIDI Out", "Mouse", "Multi UNC Provider", "Named Pipe", "Network",
	"Network Browser", "Network File System", "NULL", "Parallel Port", "Physical Netcard", "Printer", "Scanner",
	"Serial Mouse Port", "Serial Port", "Screen", "Sound", "Streams", "Tape", "Tape File System", "Transport", "Unknown",
	"Video", "Virtual Disk", "Wave In", "Wave Out", "8042 Port", "Network Redirector", "Battery", "Bus Extender", "Modem", "VDM",
}

var deviceCharacteristics = []flagName{
	{0x1, "Removable"},
	{0x2, "Read-Only"},
	{0x4, "Floppy"},
	{0x8, "Write-Once"},
	{0x10, "Remote"},
	{0x20, "Mounted"},
	{0x40, "Virtual"},
	{0x80, "Autogenerated Name"},
	{0x100, "Secure Open"},
}

var dispositionFlags = []flagName{
	{0x1, "FILE_DISPOSITION_DELETE"},
	{0x2, "FILE_DISPOSITION_POSIX_SEMANTICS"},
	{0x4, "FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK"},
	{0x8, "FILE_DISPOSITION_ON_CLOSE"},
	{0x10, "FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE"},
}

var renameFlags = []flagName{
	{0x1, "FILE_RENAME_REPLACE_IF_EXISTS"},
	{0x2, "FILE_RENAME_POSIX_SEMANTICS"},
	{0x4, "FILE_RENAME_SUPPRESS_PIN_STATE_INHERITANCE"},
	{0x8, "FILE_RENAME_SUPPRESS_STORAGE_RESERVE_INHERITANCE"},
	{0x10, "FILE_RENAME_NO_INCREASE_AVAILABLE_SPACE"},
	{0x20, "FILE_RENAME_NO_DECREASE_AVAILABLE_SPACE"},
	{0x40, "FILE_RENAME_IGNORE_READONLY_ATTRIBUTE"},
}

var restoreFlags = []flagName{{0x1, "REG_WHOLE_HIVE_VOLATILE"}, {0x8, "REG_FORCE_RESTORE"}}

var alignments = map[uint32]string{0: "Byte", 1: "Word", 3: "Long", 7: "Quad", 15: "Octa", 31: "32 Byte", 63: "64 Byte", 127: "128 Byte", 255: "256 Byte", 511: "512 Byte"}

var compressionFormats = [...]string{"None", "Default", "LZNT1", "XPRESS", "XPRESS Huffman"}

// informationClasses are FILE_INFORMATION_CLASS as far as a directory can be listed by them.
var informationClasses = [...]string{
	1: "FileDirectoryInformation", 2: "FileFullDirectoryInformation", 3: "FileBothDirectoryInformation",
	12: "FileNamesInformation", 29: "FileObjectIdInformation", 32: "FileQuotaInformation", 33: "FileReparsePointInformation",
	37: "FileIdBothDirectoryInformation", 38: "FileIdFullDirectoryInformation", 50: "FileIdGlobalTxDirectoryInformation",
	60: "FileIdExtdDirectoryInformation", 63: "FileIdExtdBothDirectoryInformation",
}

var registryTypes = [...]string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK", "REG_MULTI_SZ",
	"REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD",
}

var (
	keyQueries = [...]string{"Basic", "Node", "Full", "Name", "Cached", "Flags", "Virtualization", "HandleTags", "Trust", "Layer"}
	keySets    = [...]string{
		"KeyWriteTimeInformation", "KeyWow64FlagsInformation", "KeyControlFlagsInformation", "KeySetVirtualizationInformation",
		"KeySetDebugInformation", "KeySetHandleTagsInformation", "KeySetLayerInformation",
	}
	keyDispositions = [...]string{1: "REG_CREATED_NEW_KEY", 2: "REG_OPENED_EXISTING_KEY"}
)
