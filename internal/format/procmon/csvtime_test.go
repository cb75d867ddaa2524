package procmon

import (
	"testing"
	"time"
)

func TestParseClock(t *testing.T) {
	f := func(cell, want string) {
		t.Helper()
		tl := timeline{coarsest: 9}
		c, ok := tl.parse([]byte(cell))
		got := "none"
		if ok {
			got = time.Unix(0, c.ns).UTC().Format("15:04:05.9999999")
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", cell, got, want)
		}
	}
	f("4:33:14.3062614 PM", "16:33:14.3062614")
	f("12:00:00.0000001 AM", "00:00:00.0000001")
	f("12:00:00.0000001 PM", "12:00:00.0000001")
	f("12:59:59 am", "00:59:59")
	f("16:28:26,4129246", "16:28:26.4129246")
	f("16.28.26,4129246", "16:28:26.4129246")
	f("9:00:00.0000000", "09:00:00")
	f("上午 01:09:44.8222664", "01:09:44.8222664")
	f("下午 01:09:44.8222664", "13:09:44.8222664")
	f("午後 1:09:44.8222664", "13:09:44.8222664")
	f("오후 1:09:44.8222664", "13:09:44.8222664")
	f("1:09:44,8222664 μ.μ.", "13:09:44.8222664")
	f("12:09:44,8222664 π.μ.", "00:09:44.8222664")
	f("1:09:44.8222664\u202fp.\u00a0m.", "13:09:44.8222664")
	f("1:09:44.8222664 p. m.", "13:09:44.8222664")
	f("du. 1:09:44,8222664", "13:09:44.8222664")
	f("de. 1:09:44,8222664", "01:09:44.8222664")
	f("1:09:44,8222664 odp.", "13:09:44.8222664")
	f("1:09:44.8222664 CH", "13:09:44.8222664")
	f("1:09:44.8222664 م", "13:09:44.8222664")
	f("1:09:44.8222664 ب.ظ", "13:09:44.8222664")
	f("1:09:44.8222664 abc", "01:09:44.8222664") // a word nobody knows: noted
	f("44:57.9", "00:44:57.9")
	f("16:28", "16:28:00")
	f("13:00:00 PM", "13:00:00")
	f("", "none")
	f("PM", "none")
	f("4", "none")
	f("4:", "none")
	f("4:3x", "04:03:00")
	f("24:00:00", "none")
	f("4:60:00", "none")
	f("4:33:60", "none")
	f("123:00:00", "none")
	f("soon", "none")
	f("0.976941", "none")
	f("8/29/2025 4:29:20 PM", "none")
}

func TestTimelineSteps(t *testing.T) {
	f := func(want string, cells ...string) {
		t.Helper()
		tl := timeline{coarsest: 9}
		var ns int64
		for _, c := range cells {
			n, ok := tl.read([]byte(c))
			if !ok {
				t.Fatalf("%q isn't read", c)
			}
			ns = n
		}
		if got := time.Duration(ns).String(); got != want {
			t.Errorf("%q: got %s, want %s", cells, got, want)
		}
	}
	f("24h0m0.5s", "11:59:59.9 PM", "12:00:00.5 AM")
	f("23h59m59.9s", "11:59:59.8 PM", "12:00:00.5 AM", "11:59:59.9 PM")
	f("48h0m0.5s", "11:59:59.9 PM", "12:00:00.5 AM", "11:59:59.9 AM", "11:59:59.9 PM", "12:00:00.5 AM")
	f("24h30m0s", "13:00:00.0", "0:30:00.0")
	f("1h0m0s", "12:30:00.0", "0:40:00.0", "1:00:00.0")        // a fall of less than half a day: out of order
	f("23h0m0s", "1:00:00.0", "23:00:00.0")                    // the first day has no day before it
	f("13h0m0s", "12:59:59.0", "1:00:00.0")                    // 12 hours, no AM or PM
	f("11h59m59s", "12:00:00.1", "11:59:59.0")                 // a moment late, not twelve hours on
	f("1h0m0s", "13:00:00.0", "12:59:59.0", "1:00:00.0")       // a 24-hour clock: 13 was seen
	f("1h0m1s", "1:00:00.0 AM", "12:59:59.0 AM", "1:00:01 AM") // AM and PM are written
	f("1h0m0.1s", "59:59.9", "00:00.1")
	f("59m59.9s", "59:59.8", "00:00.1", "59:59.9")
	f("20m0s", "30:00.0", "20:00.0")
	f("16h33m14.3062615s", "4:33:14.3062614 PM", "4:33:14.3062615 PM")
	f("4h33m14.3062615s", "4:33:14.3062614 PM", "4:33:14.3062615 AM")
}

func TestSameSecondIsParse(t *testing.T) {
	cells := []string{
		"4:33:14.3062614 PM", "4:33:14.9999999 PM", "4:33:14.306261x PM", "4:33:15.3062614 PM", "4:33:15.3062614 AM", "4:33:14,1",
		"4:33:14,2", "4:33:14,25", "16.28.26", "16.28.27", "16.28.26,5", "16.28.26,6", "1:09:44 p.m.", "1:09:45 p.m.", "44:57.9", "44:57.8",
		"1:09:44.5 p.m.", "1:09:44.6 p.m.", "1:02:03.1234567891", "1:02:03.1234567892", "上午 01:09:44.8222664", "上午 01:09:44.8222665",
	}
	for _, a := range cells {
		for _, b := range cells {
			tl := timeline{coarsest: 9}
			tl.clock([]byte(a))
			got, ok := tl.clock([]byte(b))
			want, wantOK := new(timeline).parse([]byte(b))
			if ok != wantOK || ok && (got.ns != want.ns || got.hours != want.hours || got.noHour != want.noHour || got.frac != want.frac) {
				t.Errorf("%q after %q: got %+v %v, want %+v %v", b, a, got, ok, want, wantOK)
			}
		}
	}
}

func TestDates(t *testing.T) {
	f := func(date, clock, want string) {
		t.Helper()
		var c calendar
		d, ok := c.date([]byte(date), []byte(clock))
		got := "none"
		if ok {
			got = time.Unix(0, d).UTC().Format(time.DateOnly)
		}
		if got != want {
			t.Errorf("%q with %q: got %s, want %s", date, clock, got, want)
		}
	}
	f("7/31/2020 7:19:37 AM", "7:19:37.0 AM", "2020-07-31")
	f("31/07/2020 07:19:37", "07:19:37.0", "2020-07-31")
	f("03/07/2020 07:19:37", "07:19:37.0", "none")         // English of two countries
	f("7/8/2020 7:19:37 AM", "7:19:37.0 AM", "none")       // United States or Singapore
	f("7/8/2020 7:19:37 a. m.", "7:19:37.0 a. m.", "none") // Mexico or Puerto Rico
	f("03/07/2020 07:19:37", "07:19:37,0", "2020-07-03")
	f("7/8/2020 7:19:37 π.μ.", "7:19:37,0 π.μ.", "2020-08-07")
	f("7/8/2020 下午 7:19:37", "下午 7:19:37.0", "2020-08-07")
	f("5/07/2020 7:19:37 AM", "7:19:37.0 AM", "2020-07-05")
	f("03.07.2020 07:19:37", "07:19:37.0", "2020-07-03")
	f("3. 7. 2020 7:19:37", "7:19:37,0", "2020-07-03")
	f("3-7-2020 7:19:37", "7:19:37,0", "2020-07-03")
	f("2020-07-03 07:19:37", "07:19:37.0", "2020-07-03")
	f("2020/7/3 上午 07:19:37", "上午 07:19:37.0", "2020-07-03")
	f("2020. 07. 03. 7:19:37", "7:19:37,0", "2020-07-03")
	f("\u200f03/07/2020 07:19:37", "07:19:37,0", "2020-07-03")
	f("31.07.20 07:19:37", "07:19:37.0", "2020-07-31")
	f("7/31/20 07:19:37", "07:19:37.0", "2020-07-31")
	f("20/07/31 07:19:37", "07:19:37.0", "none")
	f("20-07-31 07:19:37", "07:19:37.0", "none")
	f("3/7/2563 07:19:37", "07:19:37,0", "none") // the Buddhist era
	f("1441/07/03 07:19:37", "07:19:37.0", "none")
	f("7/31/2020", "", "2020-07-31")
	f("44:57.9", "44:57.9", "none")
	f("", "", "none")
	f("7/31", "", "none")
	f("0/0/2020", "", "none")
	f("13/13/2020", "", "none")
	f("2020-02-29", "", "2020-02-29")
	f("2000-03-01", "", "2000-03-01")
	f("2100-12-31", "", "2100-12-31")
}

func TestDateCache(t *testing.T) {
	var c calendar
	for _, x := range []struct{ cell, want string }{
		{"7/31/2020 11:59:59 PM", "2020-07-31"},
		{"7/31/2020 11:59:59 PM", "2020-07-31"},
		{"8/1/2020 12:00:00 AM", "2020-08-01"},
		{"8/11/2020 12:00:00 AM", "2020-08-11"},
		{"8/1/2020 12:00:00 AM", "2020-08-01"},
	} {
		d, ok := c.date([]byte(x.cell), []byte("1:00:00 AM"))
		if got := time.Unix(0, d).UTC().Format(time.DateOnly); !ok || got != x.want {
			t.Errorf("%q: got %s %v, want %s", x.cell, got, ok, x.want)
		}
	}
	if _, ok := c.date([]byte("31/7/2020 1:00"), nil); ok {
		t.Error("a date in another order is taken")
	}
}

func TestSeconds(t *testing.T) {
	f := func(cell string, want int64) {
		t.Helper()
		got, ok := seconds([]byte(cell))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", cell, got, want)
		}
	}
	f("0.0000112", 11200)
	f("0,0000112", 11200)
	f("12.5", 12500000000)
	f("3", 3000000000)
	f("1.1234567899", 1123456789)
	f("", -1)
	f("n/a", -1)
	f("1.5s", -1)
	f("99999999999", -1)
}
