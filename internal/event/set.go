package event

// A Set is a set of fields. The zero Set stands for all fields, so that an option left out asks for everything.
type Set struct {
	some bool
	bits [(NumFields + 63) / 64]uint64
}

// SetOf gives the set of these fields.
func SetOf(fields ...Field) Set {
	s := Set{some: true}
	for _, f := range fields {
		s.bits[f/64] |= 1 << (f % 64)
	}
	return s
}

// Has says whether the set has f.
func (s *Set) Has(f Field) bool { return !s.some || s.bits[f/64]>>(f%64)&1 != 0 }
