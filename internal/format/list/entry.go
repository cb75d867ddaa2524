package list

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// A Kind says what an entry is; its String is the value of culprit.list.type.
type Kind uint8

const (
	Addr  Kind = iota + 1 // one address
	Net                   // addresses by prefix
	Range                 // addresses from one to another
	Name                  // a host name, perhaps with wildcards
	Hash                  // a digest of a file; no connection has one
)

var kindNames = [...]string{Addr: "ip", Net: "net", Range: "range", Name: "name", Hash: "hash"}

func (k Kind) String() string { return kindNames[k] }

// An Entry is one thing a list names.
type Entry struct {
	Kind   Kind
	Text   string // as written, but without quotes and no longer defanged
	Source string // the list it stands in, as the user gave it
	Line   int64  // its line there, from 1; 0 when it was given on the command line

	prefix   netip.Prefix // Addr and Net
	from, to netip.Addr   // Addr, Net and Range: first and last address
	name     string       // Name: lower case, without the wildcard of below and apex
	below    bool         // Name: names below it match
	apex     bool         // Name: it matches itself
	glob     bool         // Name: holds further wildcards
}

// errNoEntry is what parseEntry says of words that are no entry and don't try to be one.
var errNoEntry = errors.New("not an address, range or name")

// parseEntry reads one word of a list: an address, network, range, host name or digest, defanged or within a URL, perhaps
// with a port. A single label is a name only if bare is set, else any word would be one.
func parseEntry(word string, bare bool) (*Entry, error) {
	w := unwrap(word)
	if w == "" {
		return nil, errNoEntry
	}
	if e := parseAddrs(w); e != nil {
		return e, nil
	}
	if isDigest(w) {
		return &Entry{Kind: Hash, Text: w}, nil
	}
	if a, b, ok := strings.Cut(w, "-"); ok {
		if e, err := parseRange(a, b); e != nil || err != nil {
			return e, err
		}
	}
	return parseName(w, bare)
}

// unwrap takes an address or name out of what is usually around it: the scheme, path and port of a URL, brackets.
func unwrap(w string) string {
	if i := strings.Index(w, "://"); i >= 0 {
		w = w[i+3:]
		if i := strings.IndexAny(w, "/?"); i >= 0 {
			w = w[:i]
		}
		if i := strings.LastIndexByte(w, '@'); i >= 0 {
			w = w[i+1:]
		}
	}
	if ap, err := netip.ParseAddrPort(w); err == nil {
		return ap.Addr().String()
	}
	w = strings.Trim(w, "[]")
	if i := strings.LastIndexByte(w, ':'); i >= 0 && strings.Count(w, ":") == 1 {
		if _, err := strconv.ParseUint(w[i+1:], 10, 16); err == nil {
			w = w[:i]
		}
	}
	return w
}

// parseAddrs reads an address, a network as prefix or netmask, or 10.1.*; nil when it is none.
func parseAddrs(w string) *Entry {
	if a, err := netip.ParseAddr(w); err == nil {
		a = a.Unmap().WithZone("")
		return &Entry{Kind: Addr, Text: w, prefix: netip.PrefixFrom(a, a.BitLen()), from: a, to: a}
	}
	p, ok := parsePrefix(w)
	if !ok {
		return nil
	}
	return &Entry{Kind: Net, Text: w, prefix: p, from: p.Addr(), to: lastAddr(p)}
}

func parsePrefix(w string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(w); err == nil {
		return unmapPrefix(p), true
	}
	if a, mask, ok := strings.Cut(w, "/"); ok {
		addr, err := netip.ParseAddr(a)
		m, merr := netip.ParseAddr(mask)
		if err != nil || merr != nil || !addr.Is4() || !m.Is4() {
			return netip.Prefix{}, false
		}
		bits, ok := maskBits(m.As4())
		return netip.PrefixFrom(addr, bits).Masked(), ok
	}
	return starPrefix(w)
}

// parseMasked reads an address and the word after it as a network: 10.0.0.0 255.255.255.0, 10.0.0.0 /24. nil when the word is
// neither mask nor prefix.
func parseMasked(addr, mask string) *Entry {
	sep := "/"
	switch {
	case strings.HasPrefix(mask, "/") && len(mask) > 1:
		sep = ""
	case !strings.HasPrefix(mask, "255."):
		return nil
	}
	if _, err := netip.ParseAddr(addr); err != nil {
		return nil
	}
	return parseAddrs(addr + sep + mask)
}

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// maskBits counts the ones of a netmask; false when they don't stand together on the left.
func maskBits(m [4]byte) (int, bool) {
	v := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3])
	bits := 0
	for v&(1<<31) != 0 {
		bits++
		v <<= 1
	}
	return bits, v == 0
}

// starPrefix reads 10.* or 10.1.2.* and 10.1.*.* as the networks they stand for.
func starPrefix(w string) (netip.Prefix, bool) {
	head, ok := strings.CutSuffix(w, ".*")
	for ok && strings.HasSuffix(head, ".*") {
		head = strings.TrimSuffix(head, ".*")
	}
	n := strings.Count(head, ".") + 1
	if !ok || n > 3 || strings.Count(w, ".") > 3 {
		return netip.Prefix{}, false
	}
	a, err := netip.ParseAddr(head + strings.Repeat(".0", 4-n))
	if err != nil || !a.Is4() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, 8*n), true
}

// parseRange reads the two ends of a range; of the last one the final octet is enough. nil, nil when they aren't addresses.
func parseRange(a, b string) (*Entry, error) {
	from, err := netip.ParseAddr(a)
	if err != nil {
		return nil, nil
	}
	to, err := netip.ParseAddr(b)
	if last, nerr := strconv.ParseUint(b, 10, 8); err != nil && nerr == nil && from.Is4() {
		v := from.As4()
		v[3] = byte(last)
		to, err = netip.AddrFrom4(v), nil
	}
	if err != nil {
		return nil, errors.New("a range whose end is not an address")
	}
	from, to = from.Unmap().WithZone(""), to.Unmap().WithZone("")
	if from.BitLen() != to.BitLen() {
		return nil, errors.New("a range from one kind of address to the other")
	}
	if to.Less(from) {
		return nil, errors.New("a range that ends before it begins")
	}
	return &Entry{Kind: Range, Text: a + "-" + b, from: from, to: to}, nil
}

// lastAddr is the highest address of a masked prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	v := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		v[i/8] |= 0x80 >> (i % 8)
	}
	a := netip.AddrFrom16(v)
	if p.Addr().Is4() {
		a = a.Unmap()
	}
	return a
}

// prefixes gives the fewest prefixes that cover from to to and nothing else: at most twice the bits of an address.
func prefixes(from, to netip.Addr) []netip.Prefix {
	var all []netip.Prefix
	for {
		p := netip.PrefixFrom(from, from.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(from, p.Bits()-1)
			if wider.Masked().Addr() != from || to.Less(lastAddr(wider)) {
				break
			}
			p = wider
		}
		all = append(all, p)
		last := lastAddr(p)
		if !last.Less(to) {
			return all
		}
		from = last.Next()
	}
}

func isDigest(w string) bool {
	if len(w) != 32 && len(w) != 40 && len(w) != 64 {
		return false
	}
	for _, c := range []byte(w) {
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

// parseName reads a host name: *.example.com stands for every name below example.com, .example.com for it and them, a *
// elsewhere for any text.
func parseName(w string, bare bool) (*Entry, error) {
	e := &Entry{Kind: Name, Text: w, apex: true}
	n := strings.ToLower(strings.TrimSuffix(w, "."))
	if i := strings.IndexByte(n, '/'); i > 0 && !numeric(n[:i]) {
		n = n[:i] // example.com/path
	}
	switch {
	case strings.HasPrefix(n, "*."):
		n, e.below, e.apex = n[2:], true, false
	case strings.HasPrefix(n, "."):
		n, e.below = n[1:], true
	}
	e.name, e.glob = n, strings.Contains(n, "*")
	if err := checkName(n, bare || e.below); err != nil {
		return nil, err
	}
	return e, nil
}

// numeric says whether w could be meant as an IPv4 address: digits and dots alone.
func numeric(w string) bool { return strings.Trim(w, "0123456789.") == "" }

func checkName(n string, bare bool) error {
	labels := strings.Split(n, ".")
	if len(n) > 253 || len(labels) < 2 && !bare {
		return errNoEntry
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 {
			return errNoEntry
		}
		for i := range len(l) {
			switch c := l[i]; {
			case c >= 0x80:
				return errors.New("a name with letters beyond ASCII: write it as DNS does, in its xn-- form")
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '*':
			default:
				return errNoEntry
			}
		}
	}
	last := labels[len(labels)-1]
	if strings.Trim(n, "*.") == "" {
		return errors.New("a wildcard that matches everything")
	}
	if strings.Trim(last, "0123456789*") == "" {
		return errNoEntry // no top-level domain is a number: a mistyped address
	}
	return nil
}

// matches says whether a name, lower case and without final dot, is meant by the entry.
func (e *Entry) matches(n string) bool {
	if !e.glob {
		return e.apex && n == e.name || e.below && below(n, e.name)
	}
	if e.apex && glob(e.name, n) {
		return true
	}
	return e.below && glob("*."+e.name, n)
}

func below(n, parent string) bool {
	return len(n) > len(parent)+1 && strings.HasSuffix(n, parent) && n[len(n)-len(parent)-1] == '.'
}

// glob matches with * standing for any text. It takes at most len(pattern) × len(s) steps.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
