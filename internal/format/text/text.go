// Package text takes the pieces that text logs are made of out of bytes, without allocating: addresses, numbers, times, JSON
// objects. The formats that are made of them stand beside it.
package text

import (
	"bytes"
	"net/netip"
)

// Addr reads an IP address. A zone is dropped, an IPv4 address mapped into IPv6 is given as IPv4.
func Addr(v []byte) (netip.Addr, bool) {
	if a, ok := addr4(v); ok {
		return a, true
	}
	return addr6(v)
}

// addr4 reads four decimal numbers. Leading zeros are refused: nobody agrees what they mean.
func addr4(v []byte) (netip.Addr, bool) {
	var a [4]byte
	if len(v) < 7 || len(v) > 15 {
		return netip.Addr{}, false
	}
	part, n, digits := 0, 0, 0
	for _, c := range v {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && n == 0 {
				return netip.Addr{}, false
			}
			n = n*10 + int(c-'0')
			digits++
			if n > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && part < 3:
			a[part] = byte(n)
			part, n, digits = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	a[3] = byte(n)
	return netip.AddrFrom4(a), true
}

// addr6 reads an IPv6 address in any of the spellings of RFC 4291, section 2.2.
func addr6(v []byte) (netip.Addr, bool) {
	if i := bytes.IndexByte(v, '%'); i >= 0 && i+1 < len(v) {
		v = v[:i]
	}
	var a [16]byte
	n, gap := 0, -1 // bytes read, and where :: stood
	for i := 0; ; {
		if i == len(v) {
			if i == 0 || v[i-1] == ':' && gap != n {
				return netip.Addr{}, false
			}
			break
		}
		if v[i] == ':' {
			if i+1 < len(v) && v[i+1] == ':' && gap < 0 {
				gap = n
				i += 2
				continue
			}
			if n == 0 || gap == n || v[i-1] == ':' || i+1 == len(v) {
				return netip.Addr{}, false
			}
			i++
			continue
		}
		if n > 0 && gap != n && v[i-1] != ':' || n > 14 {
			return netip.Addr{}, false
		}
		if v4, ok := addr4(v[i:]); ok && n <= 12 {
			b := v4.As4()
			copy(a[n:], b[:])
			n += 4
			break
		}
		x, digits := 0, 0
		for ; i < len(v) && digits < 5; i, digits = i+1, digits+1 {
			d := hexDigit(v[i])
			if d < 0 {
				break
			}
			x = x<<4 | d
		}
		if digits == 0 || digits > 4 {
			return netip.Addr{}, false
		}
		a[n], a[n+1] = byte(x>>8), byte(x)
		n += 2
	}
	switch {
	case gap < 0 && n != 16, gap >= 0 && n == 16:
		return netip.Addr{}, false
	case gap >= 0:
		copy(a[16-(n-gap):], a[gap:n])
		clear(a[gap : 16-(n-gap)])
	}
	return netip.AddrFrom16(a).Unmap(), true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Int reads a decimal number, or a hexadecimal one that begins with 0x.
func Int(v []byte) (int64, bool) {
	neg := len(v) > 1 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	base := int64(10)
	if len(v) > 2 && v[0] == '0' && (v[1] == 'x' || v[1] == 'X') {
		base, v = 16, v[2:]
	}
	if len(v) == 0 || len(v) > 19 {
		return 0, false
	}
	var n int64
	for _, c := range v {
		d := int64(hexDigit(c))
		if d < 0 || d >= base || n > (1<<63-1-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	if neg {
		n = -n
	}
	return n, true
}
