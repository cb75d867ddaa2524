package simulate

import (
	"net/netip"
	"strconv"
	"time"
)

// An Op is what Procmon calls an operation.
type Op uint8

// The operations a case holds.
const (
	RegOpenKey Op = iota
	RegQueryValue
	RegSetValue
	RegCloseKey
	CreateFile
	ReadFile
	WriteFile
	QueryBasicInformationFile
	CloseFile
	ProcessCreate
	ProcessStart
	ProcessExit
	ThreadCreate
	LoadImage
	TCPSend
	TCPReceive
	TCPAccept
	TCPConnect
	TCPDisconnect
	TCPRetransmit
	UDPSend
	UDPReceive
)

const (
	classProcess  = 1
	classRegistry = 2
	classFile     = 3
	classNetwork  = 5
)

// ops says for each operation how Procmon names it and how a PML numbers it.
var ops = [...]struct {
	name     string
	category string
	class    uint32
	code     uint16
}{
	RegOpenKey:                {"RegOpenKey", "Read", classRegistry, 0},
	RegQueryValue:             {"RegQueryValue", "Read", classRegistry, 5},
	RegSetValue:               {"RegSetValue", "Write", classRegistry, 4},
	RegCloseKey:               {"RegCloseKey", "", classRegistry, 2},
	CreateFile:                {"CreateFile", "", classFile, 20},
	ReadFile:                  {"ReadFile", "Read", classFile, 23},
	WriteFile:                 {"WriteFile", "Write", classFile, 24},
	QueryBasicInformationFile: {"QueryBasicInformationFile", "Read Metadata", classFile, 25},
	CloseFile:                 {"CloseFile", "", classFile, 38},
	ProcessCreate:             {"Process Create", "", classProcess, 1},
	ProcessStart:              {"Process Start", "", classProcess, 7},
	ProcessExit:               {"Process Exit", "", classProcess, 2},
	ThreadCreate:              {"Thread Create", "", classProcess, 3},
	LoadImage:                 {"Load Image", "", classProcess, 5},
	TCPSend:                   {"TCP Send", "", classNetwork, 2},
	TCPReceive:                {"TCP Receive", "", classNetwork, 3},
	TCPAccept:                 {"TCP Accept", "", classNetwork, 4},
	TCPConnect:                {"TCP Connect", "", classNetwork, 5},
	TCPDisconnect:             {"TCP Disconnect", "", classNetwork, 6},
	TCPRetransmit:             {"TCP Retransmit", "", classNetwork, 8},
	UDPSend:                   {"UDP Send", "", classNetwork, 2},
	UDPReceive:                {"UDP Receive", "", classNetwork, 3},
}

var classNames = [...]string{classProcess: "Process", classRegistry: "Registry", classFile: "File System", classNetwork: "Network"}

func (o Op) String() string { return ops[o].name }

// Class is the operation's class as Procmon names it.
func (o Op) Class() string { return classNames[ops[o].class] }

// TCP says whether the operation is one of TCP's.
func (o Op) TCP() bool { return o >= TCPSend && o <= TCPRetransmit }

// Status codes, and how Procmon prints them.
const (
	statusSuccess  = 0
	statusNotFound = 0xC0000034
	statusEOF      = 0xC0000011
)

// Result is a status code as Procmon prints it.
func Result(status uint32) string {
	switch status {
	case statusNotFound:
		return "NAME NOT FOUND"
	case statusEOF:
		return "END OF FILE"
	}
	return "SUCCESS"
}

// A Record is one event of Procmon.
type Record struct {
	At     time.Duration // since Params.Start on the host's clock, whole 100 ns
	Took   time.Duration
	Path   string // of files, keys and images; networks' come from Conn
	Offset int64  // of reads and writes
	Proc   int32  // index into Case.Processes
	Arg    int32  // child process of ProcessCreate; length of reads, writes, sends and receives; a key value's data; a thread's ID
	Conn   int32  // index into Case.Connections
	TID    uint32
	Status uint32
	Op     Op
	Far    bool // the process is at the connection's destination end
}

// Ends gives the two ends of a network event as Procmon does: local first, whichever way the data went.
func (c *Case) Ends(r *Record) (local, remote netip.AddrPort) {
	k := &c.Connections[r.Conn]
	if r.Far {
		return k.Destination, k.Source
	}
	return k.Source, k.Destination
}

// appendPath writes what stands in Procmon's Path column.
func (c *Case) appendPath(b []byte, r *Record, resolve bool) []byte {
	if ops[r.Op].class != classNetwork {
		return append(b, r.Path...)
	}
	local, remote := c.Ends(r)
	b = c.appendEnd(b, local, r.Op.TCP(), resolve)
	b = append(b, " -> "...)
	return c.appendEnd(b, remote, r.Op.TCP(), resolve)
}

func (c *Case) appendEnd(b []byte, a netip.AddrPort, tcp, resolve bool) []byte {
	name := ""
	if resolve {
		name = c.hostName(a.Addr())
	}
	if name == "" {
		name = longForm(a.Addr())
	}
	b = append(b, name...)
	b = append(b, ':')
	if s := service(a.Port(), tcp); resolve && s != "" {
		return append(b, s...)
	}
	return strconv.AppendUint(b, uint64(a.Port()), 10)
}

// hostName is the name Procmon shows for an address: the reverse name, if it has one.
func (c *Case) hostName(a netip.Addr) string {
	switch {
	case a == c.Addr:
		return c.Host + ".lan"
	case a.IsLoopback():
		return "localhost"
	case a == c.gateway.Addr():
		return "router.lan"
	case a.Is6():
		return a.String() // a short form counts as a name: without one Procmon writes all eight groups
	}
	return c.ptr[a]
}

// service is the name of a port in Windows' services file.
func service(port uint16, tcp bool) string {
	switch {
	case port == 53:
		return "domain"
	case port == 80 && tcp:
		return "http"
	case port == 443:
		return "https"
	case port == 5355:
		return "llmnr"
	case port == 7680 && tcp:
		return "ms-do"
	}
	return ""
}
