package ingest

import (
	"culprit/internal/format"
	"culprit/internal/format/list"
	"culprit/internal/format/pcap"
	"culprit/internal/format/pmc"
	"culprit/internal/format/procmon"
	"culprit/internal/format/saved"
	"culprit/internal/format/winevent"
	"culprit/internal/format/zeek"
)

// Formats is every format culprit reads. Their Match functions are disjoint: a test tries each on the others' files.
var Formats = []*format.Format{
	procmon.PML,
	procmon.CSV,
	procmon.XML,
	pcap.PCAP,
	pcap.PCAPNG,
	winevent.JSON,
	winevent.EVTX,
	winevent.List,
	zeek.Log,
	pmc.Format,
	saved.TCPView,
	saved.PacketList,
	saved.Stack,
	list.Format,
}
