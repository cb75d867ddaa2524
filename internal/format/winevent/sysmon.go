package winevent

import (
	"bytes"

	"culprit/internal/event"
	"culprit/internal/format/text"
)

// sysmon puts the data of a Sysmon event. Names, not event IDs or versions, say what a value is: Sysmon added fields without
// counting versions up.
func (r *reader) sysmon(id int64) {
	r.takeWriter()
	r.putProcess(r.first(processGUID, sourceGUID), r.first(image, sourceImage), processID, sourceID)
	r.putStr(event.RuleName, r.text(ruleName))
	r.putUser(r.text(user))
	r.putStr(event.ProcessCommandLine, r.text(commandLine))
	r.putStr(event.ProcessWorkingDirectory, r.text(currentDirectory))
	if id == 1 {
		r.putVersion()
		r.putStart()
	}
	if id == 5 && r.got(event.Timestamp) {
		r.b.PutTime(event.ProcessEnd, r.b.Int(event.Timestamp, r.b.Len-1))
	}
	r.putParent(r.text(parentGUID), r.text(parentImage), parentID)
	r.putHashes(id)
	r.putConnection()
	r.putQuery(id)
	r.putFile(id)
	r.putStr(event.RegistryPath, r.text(targetObject))
	if v := r.text(details); v != nil && !r.got(event.RegistryDataStrings) {
		r.b.AddStr(event.RegistryDataStrings, v)
	}
}

// takeWriter drops the account the event was written under: it is the service's, not the process's.
func (r *reader) takeWriter() {
	r.first(writerID, writerName, writerDomain)
}

func (r *reader) putProcess(guid, path []byte, pids ...slot) {
	r.putGUID(event.ProcessEntityID, guid)
	n, ok := r.int(pids...)
	if unknownProcess(path) {
		path = nil
	}
	if ok && (n != 0 || path != nil) { // a blocked packet that reached no process has process 0, "-"
		r.b.PutInt(event.ProcessPID, n)
	}
	r.putStr(event.ProcessExecutable, path)
	if path == nil {
		path = r.b.Str(event.ProcessExecutable, r.b.Len-1)
	}
	if path != nil && !unknownProcess(path) {
		r.putStr(event.ProcessName, base(path))
	}
}

func (r *reader) putParent(guid, path []byte, pid slot) {
	r.putGUID(event.ProcessParentEntityID, guid)
	r.putInt(event.ProcessParentPID, pid)
	if path != nil && !unknownProcess(path) {
		r.putStr(event.ProcessParentExecutable, path)
		r.putStr(event.ProcessParentName, base(path))
	}
	r.putStr(event.ProcessParentCommandLine, r.text(parentCommandLine))
}

// putGUID puts a process GUID as Windows renders it, in braces and lower case; parsers of EVTX give it bare. All zeros is
// none.
func (r *reader) putGUID(f event.Field, v []byte) {
	if len(v) == 36 {
		from := len(r.scratch)
		r.scratch = append(append(append(r.scratch, '{'), v...), '}')
		v = r.scratch[from:]
		for i, c := range v {
			if c >= 'A' && c <= 'F' {
				v[i] = c + 'a' - 'A'
			}
		}
	}
	if len(bytes.Trim(v, "{}0-")) > 0 {
		r.putStr(f, v)
	}
}

// putUser splits DOMAIN\name.
func (r *reader) putUser(v []byte) {
	if v == nil {
		return
	}
	if i := bytes.IndexByte(v, '\\'); i >= 0 {
		r.putStr(event.UserDomain, v[:i])
		v = v[i+1:]
	}
	r.putStr(event.UserName, v)
}

func (r *reader) putVersion() {
	r.putStr(event.ProcessPEFileVersion, r.text(fileVersion))
	r.putStr(event.ProcessPEDescription, r.text(description))
	r.putStr(event.ProcessPEProduct, r.text(product))
	r.putStr(event.ProcessPECompany, r.text(company))
	r.putStr(event.ProcessPEOriginalFileName, r.text(originalFileName))
}

// putStart says that the process of the event started with it.
func (r *reader) putStart() {
	if r.got(event.Timestamp) && !r.got(event.ProcessStart) {
		r.b.PutTime(event.ProcessStart, r.b.Int(event.Timestamp, r.b.Len-1))
	}
}

// putHashes splits SHA1=…,MD5=…: those of the image of a new process have fields, those of other files become extras.
func (r *reader) putHashes(id int64) {
	v := r.first(hashes, hash)
	for len(v) > 0 {
		var h []byte
		h, v, _ = bytes.Cut(v, []byte(","))
		kind, sum, ok := bytes.Cut(h, []byte("="))
		if !ok || len(bytes.Trim(sum, "0")) == 0 {
			continue
		}
		from := len(r.scratch)
		for _, c := range sum {
			if c >= 'A' && c <= 'F' {
				c += 'a' - 'A'
			}
			r.scratch = append(r.scratch, c)
		}
		r.putHash(id == 1, string(kind), r.scratch[from:])
	}
}

func (r *reader) putHash(process bool, kind string, sum []byte) {
	f, name := event.Field(0), ""
	switch kind {
	case "MD5":
		f, name = event.ProcessHashMD5, "file.hash.md5"
	case "SHA1":
		f, name = event.ProcessHashSHA1, "file.hash.sha1"
	case "SHA256":
		f, name = event.ProcessHashSHA256, "file.hash.sha256"
	case "IMPHASH":
		f, name = event.ProcessPEImphash, "file.pe.imphash"
	default:
		return
	}
	if process {
		r.putStr(f, sum)
	} else if r.all {
		r.b.PutExtra(name, sum)
	}
}

// receivedUDP says whether the event is of a datagram that came in. Of those, and only those, Sysmon gives the ends the wrong
// way round: Source is where the datagram was received (the host, or the group or broadcast address it was sent to) and
// Destination who sent it. In the recordings that holds for all 26 of them, by several versions of Sysmon; of the accepted
// TCP connections there, none is turned.
func (r *reader) receivedUDP() bool {
	proto := r.header(protocol)
	for _, e := range r.ecs {
		if e.f == event.NetworkTransport {
			proto = e.v.Raw
		}
	}
	if !bytes.EqualFold(proto, []byte("udp")) {
		return false
	}
	if r.has[initiated] {
		return string(r.header(initiated)) == "false"
	}
	dir := r.header(direction)
	return string(dir) == "ingress" || string(dir) == "inbound"
}

// turn makes source destination and destination source.
func (r *reader) turn() {
	for _, pair := range [...][2]slot{{sourceIP, destinationIP}, {sourcePort, destinationPort}, {sourceHostname, destinationHostname}} {
		a, b := pair[0], pair[1]
		r.vals[a], r.vals[b] = r.vals[b], r.vals[a]
		if r.has[a] != r.has[b] {
			r.loaded = append(r.loaded, a, b)
		}
		r.has[a], r.has[b] = r.has[b], r.has[a]
	}
	for i := range r.ecs {
		switch f := &r.ecs[i].f; *f {
		case event.SourceIP:
			*f = event.DestinationIP
		case event.SourcePort:
			*f = event.DestinationPort
		case event.SourceDomain:
			*f = event.DestinationDomain
		case event.DestinationIP:
			*f = event.SourceIP
		case event.DestinationPort:
			*f = event.SourcePort
		case event.DestinationDomain:
			*f = event.SourceDomain
		}
	}
}

// putConnection puts the ends of a network event. Source is who opened the connection whichever side wrote the event: with
// Initiated true the host's own end is source, with false it is destination, as the addresses of the hosts in the recordings
// bear out. That is just what network.direction says.
func (r *reader) putConnection() {
	b := r.b
	r.putEnds(r.text(sourceIP), r.text(destinationIP), destinationPort)
	r.putStr(event.SourceDomain, r.text(sourceHostname))
	r.putStr(event.DestinationDomain, r.text(destinationHostname))
	r.putTransport(r.text(protocol))
	dir := r.text(direction)
	switch v := r.text(initiated); {
	case string(v) == "true", v == nil && (string(dir) == "egress" || string(dir) == "outbound"):
		b.PutText(event.NetworkDirection, "egress")
	case string(v) == "false", v == nil && (string(dir) == "ingress" || string(dir) == "inbound"):
		b.PutText(event.NetworkDirection, "ingress")
	}
}

func (r *reader) putEnds(src, dst []byte, dstPort slot) {
	r.putAddr(event.SourceIP, src)
	r.putInt(event.SourcePort, sourcePort)
	r.putAddr(event.DestinationIP, dst)
	r.putInt(event.DestinationPort, dstPort)
	if a := r.b.Addr(event.SourceIP, r.b.Len-1); a.Is4() {
		r.b.PutText(event.NetworkType, "ipv4")
	} else if a.IsValid() {
		r.b.PutText(event.NetworkType, "ipv6")
	}
}

// putTransport puts a protocol given as name or number.
func (r *reader) putTransport(v []byte) {
	switch string(v) {
	case "":
	case "6":
		r.b.PutText(event.NetworkTransport, "tcp")
	case "17":
		r.b.PutText(event.NetworkTransport, "udp")
	case "1":
		r.b.PutText(event.NetworkTransport, "icmp")
	case "58":
		r.b.PutText(event.NetworkTransport, "ipv6-icmp")
	case "132":
		r.b.PutText(event.NetworkTransport, "sctp")
	default:
		r.putStr(event.NetworkTransport, v)
	}
}

// putFile puts what a file, image or pipe event is about.
func (r *reader) putFile(id int64) {
	if v := r.text(targetFilename); v != nil {
		r.putStr(event.FilePath, v)
		r.putStr(event.FileName, base(v))
	}
	r.putStr(event.DLLPath, r.text(imageLoaded))
	if id == 7 && !r.got(event.DLLPath) { // Winlogbeat 7 takes a module for a file
		r.putStr(event.DLLPath, r.b.Str(event.FilePath, r.b.Len-1))
	}
	r.putStr(event.FileName, r.text(pipeName))
}

// dnsErrors are the Windows error codes that Winlogbeat 7 turns into names.
var dnsErrors = map[string]string{
	"SUCCESS": "0", "DNS_ERROR_RCODE_FORMAT_ERROR": "9001", "DNS_ERROR_RCODE_SERVER_FAILURE": "9002",
	"DNS_ERROR_RCODE_NAME_ERROR": "9003", "DNS_ERROR_RCODE_NOT_IMPLEMENTED": "9004", "DNS_ERROR_RCODE_REFUSED": "9005",
	"DNS_INFO_NO_RECORDS": "9501", "ERROR_TIMEOUT": "1460", "ERROR_INVALID_PARAMETER": "87",
	"DNS_ERROR_INVALID_NAME_CHAR": "9560", "DNS_ERROR_NUMERIC_NAME": "9561", "DNS_ERROR_RECORD_TIMED_OUT": "9705",
}

// putQuery puts a DNS query and, because its answer names addresses, the name it makes known.
func (r *reader) putQuery(id int64) {
	status := r.first(queryStatus, dnsStatus)
	if code, ok := dnsErrors[string(status)]; ok {
		r.b.PutText(event.SysmonDNSStatus, code)
	} else {
		r.putStr(event.SysmonDNSStatus, status)
	}
	r.putName(event.DNSQuestionName, r.text(queryName))
	if v := r.text(queryResults); v != nil && !r.got(event.DNSResolvedIP) {
		r.putResults(v)
	}
	if r.has[answers] {
		r.has[answers] = false
		r.putAnswers(r.vals[answers])
	}
	i := r.b.Len - 1
	if id != 22 || !r.got(event.DNSResolvedIP) || !r.got(event.DNSQuestionName) {
		return
	}
	r.b.PutStr(event.NameValue, r.b.Str(event.DNSQuestionName, i))
	r.b.PutText(event.NameFrom, "sysmon")
	for a := range r.b.Addrs(event.DNSResolvedIP, i) {
		r.b.AddAddr(event.NameIP, a)
	}
}

// putName puts a name of the DNS: lower case, no final dot.
func (r *reader) putName(f event.Field, v []byte) {
	if v == nil {
		v = r.b.Str(f, r.b.Len-1)
	}
	if v = bytes.TrimSuffix(v, []byte(".")); len(v) == 0 {
		return
	}
	from := len(r.scratch)
	for _, c := range v {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		r.scratch = append(r.scratch, c)
	}
	r.b.PutStr(f, r.scratch[from:])
}

// putResults reads the answers as Sysmon writes them: "type:  5 alias.example;::ffff:192.0.2.1;".
func (r *reader) putResults(v []byte) {
	for pass := range 3 { // the values of one field must be put one after the other
		for rest := v; len(rest) > 0; {
			var one []byte
			one, rest, _ = bytes.Cut(rest, []byte(";"))
			if one = bytes.TrimSpace(one); len(one) > 0 {
				r.putResult(pass, one)
			}
		}
	}
}

func (r *reader) putResult(pass int, v []byte) {
	kind := "AAAA"
	a, isAddr := text.Addr(v)
	if isAddr && a.Is4() {
		kind = "A"
	}
	if data, ok := bytes.CutPrefix(v, []byte("type:")); ok {
		number, name, _ := bytes.Cut(bytes.TrimSpace(data), []byte(" "))
		kind, v = recordType(number), bytes.TrimSpace(name)
	} else if !isAddr {
		return // "-", or an error in words
	}
	switch {
	case pass == 0 && isAddr:
		r.b.AddAddr(event.DNSResolvedIP, a)
	case pass == 1 && isAddr:
		from := len(r.scratch)
		r.scratch = a.AppendTo(r.scratch)
		r.b.AddStr(event.DNSAnswersData, r.scratch[from:])
	case pass == 1:
		r.b.AddStr(event.DNSAnswersData, v)
	case pass == 2:
		r.b.AddText(event.DNSAnswersType, kind)
	}
}

// recordType names the types that Sysmon sees.
func recordType(number []byte) string {
	switch string(number) {
	case "1":
		return "A"
	case "2":
		return "NS"
	case "5":
		return "CNAME"
	case "6":
		return "SOA"
	case "12":
		return "PTR"
	case "15":
		return "MX"
	case "16":
		return "TXT"
	case "28":
		return "AAAA"
	case "33":
		return "SRV"
	case "65":
		return "HTTPS"
	}
	return "TYPE" + string(number)
}

// putAnswers reads the answers as Winlogbeat 7 has them: objects with data and type.
func (r *reader) putAnswers(list text.Value) {
	for _, one := range [...]struct {
		name string
		f    event.Field
	}{{"data", event.DNSAnswersData}, {"type", event.DNSAnswersType}} {
		if r.got(one.f) {
			continue
		}
		for v := range list.Elements() {
			_, _ = r.inner.Parse(v.Raw)
			for _, f := range r.inner.List {
				if string(f.Name) == one.name {
					r.b.AddStr(one.f, f.Text(&r.scratch))
				}
			}
		}
	}
}
