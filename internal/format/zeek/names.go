package zeek

import (
	"slices"
	"strings"
)

// A slot holds one value of the row at hand that has a meaning of its own in some log.
type slot uint8

const (
	noSlot slot = iota
	ts
	writeTS
	pathName
	uid
	origH
	origP
	respH
	respP
	proto
	ipProto
	service
	duration
	origBytes
	respBytes
	connState
	history
	origPkts
	origIPBytes
	respPkts
	respIPBytes
	communityID
	origMAC
	respMAC
	vlan
	transID
	rtt
	query
	qtypeName
	rcodeName
	answers
	serverName
	method
	host
	uri
	statusCode
	userAgent
	numSlots
)

// slotNames are the names of fields, Zeek's own and those that field maps in use give them.
var slotNames = map[string]slot{
	"ts": ts, "@timestamp": ts, "_write_ts": writeTS, "_path": pathName, "@stream": pathName, "log_path": pathName,
	"uid": uid, "id.orig_h": origH, "id.orig_p": origP, "id.resp_h": respH, "id.resp_p": respP, "id_orig_h": origH,
	"id_orig_p": origP, "id_resp_h": respH, "id_resp_p": respP, "src": origH, "src_port": origP, "dst": respH, "dst_port": respP,
	"proto": proto, "ip_proto": ipProto, "service": service, "duration": duration, "orig_bytes": origBytes,
	"resp_bytes": respBytes, "conn_state": connState, "history": history, "orig_pkts": origPkts,
	"orig_ip_bytes": origIPBytes, "resp_pkts": respPkts, "resp_ip_bytes": respIPBytes, "community_id": communityID,
	"orig_l2_addr": origMAC, "resp_l2_addr": respMAC, "vlan": vlan, "trans_id": transID, "rtt": rtt, "query": query,
	"qtype_name": qtypeName, "rcode_name": rcodeName, "answers": answers, "server_name": serverName, "method": method,
	"host": host, "uri": uri, "status_code": statusCode, "user_agent": userAgent,
}

// usualNames gives the names of Zeek's own scripts for the slots, under which a value goes on that no log has a place for.
var usualNames = func() (names [numSlots]string) {
	mapped := "@timestamp _path @stream log_path id_orig_h id_orig_p id_resp_h id_resp_p src src_port dst dst_port"
	for n, s := range slotNames {
		if !slices.Contains(strings.Fields(mapped), n) {
			names[s] = n
		}
	}
	return names
}()

// A log is what is known of one log by its name: conn, dns.
type log struct {
	name    string
	dataset string
	extras  map[string]string // names of fields without one of ours, as zeek.conn.missed_bytes
}

// maxNames bounds what a hostile source can make the reader remember.
const maxNames = 4096

// logName makes a log's name of what stands for it: the name, or of a file the part before the first dot, without the date
// that rotation put behind.
func logName(v string) string {
	v = v[strings.LastIndexAny(v, `/\`)+1:]
	v, _, _ = strings.Cut(v, ".")
	v = strings.TrimPrefix(strings.ToLower(v), "json_streaming_")
	for i := 1; i+1 < len(v); i++ {
		if (v[i] == '-' || v[i] == '_') && v[i+1] >= '0' && v[i+1] <= '9' {
			v = v[:i]
		}
	}
	for i := range len(v) {
		if c := v[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return ""
		}
	}
	if len(v) > 64 {
		return ""
	}
	return v
}

// extra gives the name of a field that has none of ours.
func (l *log) extra(field string) string {
	if n, ok := l.extras[field]; ok {
		return n
	}
	n := "zeek." + l.name + "." + field
	if len(l.extras) < maxNames {
		l.extras[field] = n
	}
	return n
}
