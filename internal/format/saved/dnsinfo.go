package saved

import (
	"bytes"
	"net/netip"

	"culprit/internal/format/text"
)

// A dnsInfo is what Wireshark's Info says of a DNS message:
//
//	Standard query 0x9ec5 A relay.example.com
//	Standard query response 0x9ec5 A relay.example.com CNAME server.example.com A 192.0.2.7
//	Standard query response 0xfe0b No such name A gone.example.com SOA ns1.example.com
//
// Its slices point into the text.
type dnsInfo struct {
	parsed bool
	answer bool
	id     int64
	code   string
	kind   []byte
	name   []byte
	addrs  []netip.Addr // of the answers, when question and answers are all understood
}

// responseCodes are the codes as Wireshark words them.
var responseCodes = []struct{ words, code string }{
	{"No such name ", "NXDOMAIN"}, {"Server failure ", "SERVFAIL"}, {"Refused ", "REFUSED"}, {"Format error ", "FORMERR"}, {"Not implemented ", "NOTIMP"},
}

// parse reads info. It is false for what is no message of one question.
func (d *dnsInfo) parse(info []byte) bool {
	*d = dnsInfo{addrs: d.addrs[:0]}
	rest, ok := bytes.CutPrefix(info, []byte("Standard query "))
	if !ok {
		return false
	}
	if after, ok := bytes.CutPrefix(rest, []byte("response ")); ok {
		d.answer, rest = true, after
	}
	id, rest, _ := bytes.Cut(rest, []byte{' '})
	if d.id, ok = text.Int(id); !ok {
		return false
	}
	for _, c := range responseCodes {
		if after, ok := bytes.CutPrefix(rest, []byte(c.words)); ok && d.answer {
			d.code, rest = c.code, after
		}
	}
	d.kind, rest = word(rest)
	d.name, rest = word(rest)
	if !recordType(d.kind) || len(d.name) == 0 {
		return false
	}
	if !d.answer || d.code != "" {
		return true
	}
	d.code = "NOERROR"
	if string(d.kind) == "A" || string(d.kind) == "AAAA" {
		d.addresses(rest)
	}
	return true
}

// addresses reads the answers: aliases first, then addresses of the asked kind. Whatever else stands there ends the reading,
// as what belongs to what can't be told any more.
func (d *dnsInfo) addresses(rest []byte) {
	for len(rest) > 0 {
		var kind, data []byte
		kind, rest = word(rest)
		data, rest = word(rest)
		a, isAddr := text.Addr(data)
		switch {
		case string(kind) == "CNAME" && len(data) > 0 && !isAddr && len(d.addrs) == 0:
		case bytes.Equal(kind, d.kind) && isAddr && a.Is4() == (string(kind) == "A"):
			d.addrs = append(d.addrs, a)
		default:
			return
		}
	}
}

func word(v []byte) (w, rest []byte) {
	w, rest, _ = bytes.Cut(v, []byte{' '})
	return w, bytes.TrimLeft(rest, " ")
}

// recordType says whether v names a kind of record, as A, AAAA or HTTPS.
func recordType(v []byte) bool {
	for _, c := range v {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(v) > 0 && len(v) <= 10 && v[0] > '9'
}
