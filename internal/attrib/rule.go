package attrib

// The rules, by code. A level is never a percentage: it is the rule that decided, and the rule says what was proved.
const (
	RuleTuple    = "A1" // certain: both addresses and ports, within the flow's life on a solved clock, no other process
	RulePeerName = "A2" // certain: both ports, a name proved for the address, time, sole owner of the local port
	RuleLengths  = "A3" // certain: both ports, time, sole owner, and the payload bytes of both directions add up to the same
	RuleHost     = "H1" // certain: the host's own record of a connection no capture holds

	RulePorts     = "B1" // likely: both ports, time, sole owner; the peer is not proved
	RuleWeakClock = "B2" // likely: both addresses and ports, but too few pairs to be sure of the clock
	RuleBind      = "B3" // likely: the process bound the local port just before, and no other did
	RuleEndpoint  = "B4" // likely: the only process seen on this local address and port around that time
	RuleLate      = "B5" // likely: both addresses and ports, within the flow's life, but not when it opened
	RuleRunnerUp  = "B6" // likely: one process fits, and another's record lies too near to be ruled out
	RuleGoesOn    = "B7" // likely: the connection goes on after a silence: same endpoints, no new SYN

	RuleSeveral = "C1" // possible: several processes fit
	RuleNoClock = "C2" // possible: both addresses and ports, but the clocks can't be compared
	RuleFaint   = "C3" // possible: ports alone, on a clock that is not sure or beside the flow's life
	RuleGuess   = "C4" // possible: the capture's own guess: the thread that ran as its packets passed, or an end that is not proved

	RuleNoHost     = "U1" // unknown: no host recording was given
	RuleOutside    = "U2" // unknown: the host's recording doesn't cover that time
	RuleUnrecorded = "U3" // unknown: the host's recording covers it but has nothing on it
	RuleForeign    = "U4" // unknown: this end is no address of a recorded host
	RuleUnsolved   = "U5" // unknown: the clocks could not be compared
)
