// Package event is the vocabulary: the fields an event can have and the batch that holds events in columns.
//
// Field names are the Elastic Common Schema's (9.4); where ECS has none, ours begin with culprit., procmon., sysmon. or
// zeek. All of them stand in fields.txt, from which the Field constants and docs/fields.md are generated. The package
// imports nothing of ours; everything else imports it.
package event

//go:generate go run gen.go

// A Field names one column. The zero Field is no field.
type Field uint16

// A Type says what a field's values are and so which Put and which getter serve it.
type Type uint8

const (
	Keyword  Type = iota + 1 // bytes, UTF-8 unless the source had something else
	Keywords                 // several Keyword values
	Long                     // int64
	Longs                    // several int64
	Date                     // int64: nanoseconds since 1970-01-01 UTC
	IP                       // 128-bit address, IPv4 mapped
	IPs                      // several IP values
)

var typeNames = [...]string{Keyword: "keyword", Keywords: "keyword[]", Long: "long", Longs: "long[]", Date: "date", IP: "ip", IPs: "ip[]"}

func (t Type) String() string { return typeNames[t] }

// Info describes a field: a row of fields.txt.
type Info struct {
	Name    string
	Type    Type
	Doc     string
	Section string
}

// Fields gives every field in the order of fields.txt. The caller may not change it.
func Fields() []Info { return infos[1:] }

// String is the ECS name.
func (f Field) String() string { return infos[f].Name }

// Type is the type of the field's values.
func (f Field) Type() Type { return infos[f].Type }

// Lookup finds a field by its exact name.
func Lookup(name string) (Field, bool) {
	f, ok := byName[name]
	return f, ok
}

// byName is built once and never written again.
var byName = func() map[string]Field {
	m := make(map[string]Field, NumFields)
	for f := Field(1); f < NumFields; f++ {
		m[infos[f].Name] = f
	}
	return m
}()

// What a Procmon CSV, say, knows of its times; values of TimeBasis.
const (
	BasisUTC       = "utc"         // @timestamp is UTC as stored
	BasisLocal     = "local"       // @timestamp is local time of an unknown zone, written as if it were UTC
	BasisTimeOfDay = "time_of_day" // @timestamp is local time of day on an unknown date, as time since 1970-01-01 and past 24 h after midnight
)

// What an event is to attribution; values of Role.
//
// In a host's own record (every role but flow and name) the host's end is source, unless NetworkDirection is ingress: then
// it is destination.
const (
	RoleFlow       = "flow"       // a network flow of a capture or of Zeek
	RoleConnect    = "connect"    // a process opened a connection, or was seen using one with its opener known
	RoleAccept     = "accept"     // a process accepted a connection
	RoleSend       = "send"       // a process sent on a socket
	RoleReceive    = "receive"    // a process received on a socket
	RoleDisconnect = "disconnect" // a process closed a connection
	RoleBind       = "bind"       // a process bound a local port
	RoleQuery      = "query"      // a process asked for a name
	RoleName       = "name"       // a name stood for addresses; CulpritName* fields
	RoleStart      = "start"      // a process started
	RoleEnd        = "end"        // a process ended
	RoleProcess    = "process"    // a process existed: a row of a process table
)
