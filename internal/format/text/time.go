package text

// Time reads a date and time as ISO 8601, RFC 3339 or Windows tools write it: 2020-10-09T22:30:03.242Z, 2020-10-09 18:30:02,
// with any number of decimals and Z, +02:00, +0200 or nothing behind. It gives nanoseconds since 1970, and whether a zone
// was written; without one the time is given as if it were UTC.
func Time(v []byte) (ns int64, zoned, ok bool) {
	if len(v) < 19 || v[4] != '-' || v[7] != '-' || v[10] != 'T' && v[10] != ' ' || v[13] != ':' || v[16] != ':' {
		return 0, false, false
	}
	year, a := digits(v[0:4])
	month, b := digits(v[5:7])
	day, c := digits(v[8:10])
	hour, d := digits(v[11:13])
	minute, e := digits(v[14:16])
	second, f := digits(v[17:19])
	if !(a && b && c && d && e && f) || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, false, false
	}
	if year < 1678 || year > 2261 {
		return 0, false, false // outside of what nanoseconds in an int64 can say
	}
	ns = (days(year, month, day)*86400 + hour*3600 + minute*60 + second) * 1e9
	v = v[19:]
	if len(v) > 0 && (v[0] == '.' || v[0] == ',') {
		i, scale := 1, int64(1e8)
		for ; i < len(v) && v[i] >= '0' && v[i] <= '9'; i++ {
			ns += int64(v[i]-'0') * scale
			scale /= 10
		}
		if i == 1 {
			return 0, false, false
		}
		v = v[i:]
	}
	shift, zoned, ok := offset(v)
	return ns - shift, zoned, ok
}

// offset reads what stands behind a time: its zone in nanoseconds east of Greenwich.
func offset(v []byte) (ns int64, zoned, ok bool) {
	if len(v) == 0 {
		return 0, false, true
	}
	if len(v) == 1 && (v[0] == 'Z' || v[0] == 'z') {
		return 0, true, true
	}
	if v[0] != '+' && v[0] != '-' {
		return 0, false, false
	}
	h := v[1:]
	if len(h) == 5 && h[2] == ':' {
		h = []byte{h[0], h[1], h[3], h[4]}
	}
	n, good := digits(h)
	if len(h) != 4 || !good || n%100 > 59 {
		return 0, false, false
	}
	ns = (n/100*3600 + n%100*60) * 1e9
	if v[0] == '-' {
		ns = -ns
	}
	return ns, true, true
}

func digits(v []byte) (int64, bool) {
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// days counts from 1970-01-01 in the proleptic Gregorian calendar. The year is made to begin in March, so that the leap day
// is its last and every month before it has a fixed place.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}

// Epoch reads seconds since 1970 with decimals, as Zeek writes times, and the same of a duration: 1692161622.036086. It
// gives nanoseconds, exactly: a float64 would lose them.
func Epoch(v []byte) (ns int64, ok bool) {
	neg := len(v) > 1 && v[0] == '-'
	if neg {
		v = v[1:]
	}
	i := 0
	for ; i < len(v) && v[i] >= '0' && v[i] <= '9'; i++ {
		if ns = ns*10 + int64(v[i]-'0'); ns > 9_000_000_000 {
			return 0, false
		}
	}
	if i == 0 {
		return 0, false
	}
	ns *= 1e9
	if i < len(v) && v[i] == '.' {
		scale := int64(1e8)
		for i++; i < len(v) && v[i] >= '0' && v[i] <= '9'; i++ {
			ns += int64(v[i]-'0') * scale
			scale /= 10
		}
	}
	if i != len(v) {
		return 0, false
	}
	if neg {
		ns = -ns
	}
	return ns, true
}
