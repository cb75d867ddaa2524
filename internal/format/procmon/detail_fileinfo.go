package procmon

import "culprit/internal/event"

// Detail of the operations that ask for, or set, what Windows calls information of a file or a volume; by information class,
// in the structures of ntifs.h.

func queryInformationText(t *detailWriter, p *fileParams) {
	out := p.out
	switch class := p.d[0]; {
	case class == 0x04 && len(out) >= 36:
		basicText(t, out)
	case class == 0x05 && len(out) >= 22:
		standardText(t, out)
	case class == 0x06 && len(out) >= 8:
		t.hex("IndexNumber", event.ProcmonDetailIndexnumber, le.Uint64(out))
	case class == 0x07 && len(out) >= 4:
		t.count("EaSize", event.ProcmonDetailEasize, int64(le.Uint32(out)))
	case class == 0x0e && len(out) >= 8:
		t.count("Position", event.ProcmonDetailPosition, int64(le.Uint64(out)))
	case class == 0x12 && len(out) >= 96:
		allText(t, out)
	case class == 0x14 && len(out) >= 8:
		t.count("EndOfFile", event.ProcmonDetailEndoffile, int64(le.Uint64(out)))
	case class == 0x16:
		streamsText(t, out)
	case class == 0x1c && len(out) >= 13:
		compressionText(t, out)
	case class == 0x22 && len(out) >= 52:
		networkOpenText(t, out, p.display)
	case class == 0x23 && len(out) >= 8:
		at := t.key("Attributes")
		t.text = appendAttributes(t.text, le.Uint32(out))
		t.keep(event.ProcmonDetailAttributes, at)
		t.hex("ReparseTag", event.ProcmonDetailReparsetag, uint64(le.Uint32(out[4:])))
	case class == 0x27 && len(out) >= 8:
		t.count("ValidDataLength", event.ProcmonDetailValiddatalength, int64(le.Uint64(out)))
	case class == 0x3b && len(out) >= 24:
		serialText(t, le.Uint32(out))
		t.hex("IndexNumber", event.ProcmonDetailIndexnumber, le.Uint64(out[8:]))
	case (class == 0x09 || class == 0x28 || class == 0x30 || class == 0x31) && len(out) >= 4:
		t.wide("Name", event.ProcmonDetailName, sizedName(out))
	}
}

// sizedName gives the UTF-16 that follows its length in bytes, as far as it is there.
func sizedName(d []byte) []byte {
	return d[4 : 4+min(int64(le.Uint32(d)), int64(len(d)-4))]
}

func basicText(t *detailWriter, d []byte) {
	timesText(t, d)
	attributesText(t, le.Uint32(d[32:]))
}

func timesText(t *detailWriter, d []byte) {
	t.time("CreationTime", event.ProcmonDetailCreationtime, le.Uint64(d))
	t.time("LastAccessTime", event.ProcmonDetailLastaccesstime, le.Uint64(d[8:]))
	t.time("LastWriteTime", event.ProcmonDetailLastwritetime, le.Uint64(d[16:]))
	t.time("ChangeTime", event.ProcmonDetailChangetime, le.Uint64(d[24:]))
}

func attributesText(t *detailWriter, v uint32) {
	at := t.key("FileAttributes")
	t.text = appendAttributes(t.text, v)
	t.keep(event.ProcmonDetailFileattributes, at)
}

func standardText(t *detailWriter, d []byte) {
	t.count("AllocationSize", event.ProcmonDetailAllocationsize, int64(le.Uint64(d)))
	t.count("EndOfFile", event.ProcmonDetailEndoffile, int64(le.Uint64(d[8:])))
	t.count("NumberOfLinks", event.ProcmonDetailNumberoflinks, int64(le.Uint32(d[16:])))
	t.bool("DeletePending", event.ProcmonDetailDeletepending, d[20] != 0)
	t.bool("Directory", event.ProcmonDetailDirectory, d[21] != 0)
}

// networkOpenText writes FILE_NETWORK_OPEN_INFORMATION. Process Monitor shows the two sizes of a
// QueryNetworkOpenInformationFile as if they were times; of a QueryOpen it shows them as sizes.
func networkOpenText(t *detailWriter, d []byte, asTimes bool) {
	timesText(t, d)
	allocation, end := le.Uint64(d[32:]), le.Uint64(d[40:])
	if asTimes {
		t.key("AllocationSize")
		t.text = appendFileTime(t.text, allocation)
		t.long(event.ProcmonDetailAllocationsize, int64(allocation))
		t.key("EndOfFile")
		t.text = appendFileTime(t.text, end)
		t.long(event.ProcmonDetailEndoffile, int64(end))
	} else {
		t.count("AllocationSize", event.ProcmonDetailAllocationsize, int64(allocation))
		t.count("EndOfFile", event.ProcmonDetailEndoffile, int64(end))
	}
	attributesText(t, le.Uint32(d[48:]))
}

func allText(t *detailWriter, d []byte) {
	basicText(t, d)
	standardText(t, d[40:])
	t.hex("IndexNumber", event.ProcmonDetailIndexnumber, le.Uint64(d[64:]))
	t.count("EaSize", event.ProcmonDetailEasize, int64(le.Uint32(d[72:])))
	at := t.key("Access")
	t.text = appendAccess(t.text, le.Uint32(d[76:]), genericFile, fileAccess)
	t.keep(event.ProcmonDetailAccess, at)
	t.count("Position", event.ProcmonDetailPosition, int64(le.Uint64(d[80:])))
	at = t.key("Mode")
	t.text, _ = appendKnownFlags(t.text, le.Uint32(d[88:]), createOptions, ", ")
	t.keep(event.ProcmonDetailMode, at)
	if name, ok := alignments[le.Uint32(d[92:])]; ok {
		t.str("AlignmentRequirement", event.ProcmonDetailAlignmentrequirement, name)
	} else {
		t.hex("AlignmentRequirement", event.ProcmonDetailAlignmentrequirement, uint64(le.Uint32(d[92:])))
	}
	if d = d[96:]; len(d) >= 4 && int64(le.Uint32(d)) <= int64(len(d)-4) { // else it is cut off: BUFFER OVERFLOW
		t.wide("Name", event.ProcmonDetailName, sizedName(d))
	}
}

func streamsText(t *detailWriter, d []byte) {
	for number := 0; len(d) >= 24; number++ {
		size := int64(le.Uint32(d[4:]))
		if size > int64(len(d)-24) {
			return
		}
		t.entry(number, d[24:24+size])
		next := int64(le.Uint32(d))
		if next == 0 || next >= int64(len(d)) {
			return
		}
		d = d[next:]
	}
}

func compressionText(t *detailWriter, d []byte) {
	t.count("CompressedFileSize", event.ProcmonDetailCompressedfilesize, int64(le.Uint64(d)))
	t.str("CompressionFormat", event.ProcmonDetailCompressionformat, nameOf(compressionFormats[:], uint32(le.Uint16(d[8:])), unknownName))
	t.plain("CompressionUnitShift", event.ProcmonDetailCompressionunitshift, int64(d[10]))
	t.plain("ChunkShift", event.ProcmonDetailChunkshift, int64(d[11]))
	t.plain("ClusterShift", event.ProcmonDetailClustershift, int64(d[12]))
}

func setInformationText(t *detailWriter, p *fileParams) {
	in := p.tail
	switch class := p.d[0]; {
	case class == 0x04 && len(in) >= 36:
		basicText(t, in)
	case class == 0x0a || class == 0x0b || class == 0x41 || class == 0x42:
		renameText(t, p)
	case class == subDisposition && len(in) >= 1:
		t.bool("Delete", event.ProcmonDetailDelete, in[0] != 0)
	case class == subDispositionEx && len(in) >= 4:
		t.flags("Flags", event.ProcmonDetailFlags, le.Uint32(in), dispositionFlags)
	case class == 0x0e && len(in) >= 8:
		t.count("Position", event.ProcmonDetailPosition, int64(le.Uint64(in)))
	case class == 0x13 && len(in) >= 8:
		t.count("AllocationSize", event.ProcmonDetailAllocationsize, int64(le.Uint64(in)))
	case class == 0x14 && len(in) >= 8:
		t.count("EndOfFile", event.ProcmonDetailEndoffile, int64(le.Uint64(in)))
	case class == 0x27 && len(in) >= 8:
		t.count("ValidDataLength", event.ProcmonDetailValiddatalength, int64(le.Uint64(in)))
	case class == 0x28 && len(in) >= 4:
		t.wide("Name", event.ProcmonDetailName, sizedName(in))
	}
}

// renameText writes FILE_RENAME_INFORMATION, FILE_LINK_INFORMATION and their later forms, which have flags where the others
// have one byte.
func renameText(t *detailWriter, p *fileParams) {
	in, at := p.tail, 8
	if p.is64 {
		at = 16
	}
	if len(in) < at+4 {
		return
	}
	if class := p.d[0]; class == 0x41 || class == 0x42 {
		t.flags("Flags", event.ProcmonDetailFlags, le.Uint32(in), renameFlags)
	} else {
		t.bool("ReplaceIfExists", event.ProcmonDetailReplaceifexists, in[0] != 0)
	}
	name := sizedName(in[at:])
	from := t.key("FileName")
	if len(name) >= 4 && le.Uint16(name) != '\\' && le.Uint16(name[2:]) != ':' { // a name in the same directory
		t.text = p.path.append(t.text)
		last := len(t.text)
		for last > from && t.text[last-1] != '\\' {
			last--
		}
		t.text = t.text[:last]
	}
	t.text = appendUTF16(t.text, name)
	t.keep(event.ProcmonDetailFilename, from)
}

func serialText(t *detailWriter, v uint32) {
	at := t.key("VolumeSerialNumber")
	t.text = appendHexUpper(t.text, v>>16, 4)
	t.text = appendHexUpper(append(t.text, '-'), v, 4)
	t.keep(event.ProcmonDetailVolumeserialnumber, at)
}

// appendHexUpper appends the last digits of v.
func appendHexUpper(dst []byte, v uint32, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789ABCDEF"[v>>(4*i)&15])
	}
	return dst
}

func volumeText(t *detailWriter, code uint16, p *fileParams) {
	d := p.out
	if code == opSetVolume {
		d = p.tail
	}
	switch class := p.d[0]; {
	case class == 1 && len(d) >= 18 && code == opQueryVolume:
		t.time("VolumeCreationTime", event.ProcmonDetailVolumecreationtime, le.Uint64(d))
		serialText(t, le.Uint32(d[8:]))
		t.bool("SupportsObjects", event.ProcmonDetailSupportsobjects, d[16] != 0)
		label := d[18 : 18+min(int64(le.Uint32(d[12:])), int64(len(d)-18))]
		t.wide("VolumeLabel", event.ProcmonDetailVolumelabel, label)
	case class == 2 && len(d) >= 4:
		t.wide("VolumeLabel", event.ProcmonDetailVolumelabel, sizedName(d))
	case class == 3 && len(d) >= 24:
		t.count("TotalAllocationUnits", event.ProcmonDetailTotalallocationunits, int64(le.Uint64(d)))
		t.count("AvailableAllocationUnits", event.ProcmonDetailAvailableallocationunits, int64(le.Uint64(d[8:])))
		unitsText(t, d[16:])
	case class == 4 && len(d) >= 8:
		deviceText(t, d)
	case class == 5 && len(d) >= 12:
		t.flags("FileSystemAttributes", event.ProcmonDetailFilesystemattributes, le.Uint32(d), fileSystemAttributes)
		t.count("MaximumComponentNameLength", event.ProcmonDetailMaximumcomponentnamelength, int64(le.Uint32(d[4:])))
		t.wide("FileSystemName", event.ProcmonDetailFilesystemname, sizedName(d[8:]))
	case class == 7 && len(d) >= 32:
		t.count("TotalAllocationUnits", event.ProcmonDetailTotalallocationunits, int64(le.Uint64(d)))
		t.count("CallerAvailableAllocationUnits", event.ProcmonDetailCalleravailableallocationunits, int64(le.Uint64(d[8:])))
		t.count("ActualAvailableAllocationUnits", event.ProcmonDetailActualavailableallocationunits, int64(le.Uint64(d[16:])))
		unitsText(t, d[24:])
	case class == 8 && len(d) >= 16:
		at := t.key("ObjectId")
		for _, c := range d[:16] {
			t.text = appendHexUpper(t.text, uint32(c), 2)
		}
		t.keep(event.ProcmonDetailObjectid, at)
	}
}

func unitsText(t *detailWriter, d []byte) {
	t.count("SectorsPerAllocationUnit", event.ProcmonDetailSectorsperallocationunit, int64(le.Uint32(d)))
	t.plain("BytesPerSector", event.ProcmonDetailBytespersector, int64(le.Uint32(d[4:])))
}

func deviceText(t *detailWriter, d []byte) {
	kind := le.Uint32(d)
	if name := nameOf(deviceTypes[:], kind, ""); name != "" {
		t.str("DeviceType", event.ProcmonDetailDevicetype, name)
	} else {
		t.hex("DeviceType", event.ProcmonDetailDevicetype, uint64(kind))
	}
	t.flags("Characteristics", event.ProcmonDetailCharacteristics, le.Uint32(d[4:]), deviceCharacteristics)
}
