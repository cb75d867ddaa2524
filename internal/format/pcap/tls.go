package pcap

import "encoding/binary"

const (
	tlsHandshake   = 22 // content type of a record
	tlsClientHello = 1  // type of a handshake message
)

// A hello is what is wanted of a ClientHello.
type hello struct {
	name []byte // server name; nil when there is none, or none yet
}

// parseHello reads the begin of a TLS connection (RFC 8446 4.1.2, RFC 6066 3): records of type, version, length, and in them
// a ClientHello, which may be spread over several. It says more until the name is found or the hello ends.
func parseHello(d []byte) (h hello, v verdict) {
	var spread []byte // the message, if it is in several records
	for first := true; ; first = false {
		if len(d) < 5 {
			v = more
			break
		}
		size := int(binary.BigEndian.Uint16(d[3:]))
		if d[0] != tlsHandshake || d[1] != 3 || size == 0 || size > 1<<14+256 {
			if first {
				return h, no
			}
			v = yes
			break
		}
		body := d[5:min(len(d), 5+size)]
		if first && (len(body) > 0 && body[0] != tlsClientHello) {
			return h, yes // a server's
		}
		if first && len(body) >= 4 && handshakeSize(body) <= size {
			return parseExtensions(body)
		}
		spread = append(spread, body...)
		if len(spread) >= 4 && len(spread) >= handshakeSize(spread) || len(d) < 5+size {
			h, v = parseExtensions(spread)
			break
		}
		d = d[5+size:]
	}
	if spread != nil && h.name == nil && v == more {
		h, v = parseExtensions(spread)
	}
	return h, v
}

func handshakeSize(d []byte) int {
	return 4 + int(d[1])<<16 + int(d[2])<<8 + int(d[3])
}

// A cursor takes pieces off a message and remembers when one was missing.
type cursor struct {
	d     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.d) {
		c.short, c.d = true, nil
		return nil
	}
	v := c.d[:n]
	c.d = c.d[n:]
	return v
}

// number takes a big-endian number of n bytes.
func (c *cursor) number(n int) int {
	v := 0
	for _, x := range c.take(n) {
		v = v<<8 | int(x)
	}
	return v
}

// parseExtensions finds the server name in a ClientHello of which only the begin may be there.
func parseExtensions(d []byte) (h hello, v verdict) {
	c := cursor{d: d}
	c.take(1 + 3 + 2 + 32) // type, length, version, random
	c.take(c.number(1))    // session
	c.take(c.number(2))    // ciphers
	c.take(c.number(1))    // compression
	left := c.number(2)
	for left >= 4 && !c.short {
		kind, size := c.number(2), c.number(2)
		left -= 4 + size
		ext := c.take(size)
		if kind == 0 && !c.short {
			h.name = serverName(ext)
			return h, yes
		}
	}
	if c.short {
		return h, more
	}
	return h, yes
}

// serverName takes the host name from a server name extension: a list of type, length, name.
func serverName(ext []byte) []byte {
	c := cursor{d: ext}
	c.take(2)
	for len(c.d) >= 3 {
		kind := c.number(1)
		name := c.take(c.number(2))
		if kind == 0 && len(name) > 0 && len(name) <= 255 {
			return name
		}
	}
	return nil
}
