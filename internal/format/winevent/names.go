package winevent

import (
	"strings"

	"culprit/internal/event"
)

// A slot holds one value of the event at hand, whatever its name is in the shape it came in.
type slot uint8

const (
	noSlot slot = iota

	// Of the header.
	logChannel
	eventID
	eventCode // event.code, where the ID has no place of its own
	logProvider
	logComputer
	hostName // host.name: of a collected event it may be the collector's, so only the last resort
	recordID
	created   // when Windows wrote the event, with its zone
	eventTime // the same as NXLog has it: often local time, whole seconds
	received  // when NXLog got it, in the same local time
	arrived   // @timestamp: Winlogbeat's time of the event, but only Logstash's time of arrival with NXLog before it
	readAt    // event.created of Winlogbeat 7: when Windows wrote it, or when Winlogbeat read it
	rendered
	category
	action
	keywords
	writerID // the account the event was written under
	writerName
	writerDomain
	eventData // as one text
	answers   // dns.answers of Winlogbeat 7
	direction // network.direction of Winlogbeat 7
	dnsStatus

	// Of the event's data.
	utcTime
	ruleName
	processGUID
	processID
	processID2 // ProcessID: Security 5156 spells it so, and so does NXLog's own name for the writer's
	image
	commandLine
	currentDirectory
	user
	hashes
	hash // of event 15
	fileVersion
	description
	product
	company
	originalFileName
	parentGUID
	parentID
	parentImage
	parentCommandLine
	protocol
	initiated
	sourceIP
	sourceHostname
	sourcePort
	destinationIP
	destinationHostname
	destinationPort
	queryName
	queryStatus
	queryResults
	targetFilename
	imageLoaded
	targetObject
	details
	pipeName
	eventType
	sourceGUID
	sourceID
	sourceImage
	newProcessID
	newProcessName
	processName
	parentProcessName
	subjectSID
	subjectName
	subjectDomain
	targetSID
	targetName
	targetDomain
	status
	application
	directionCode
	sourceAddress
	destAddress
	destPort

	numSlots
)

const firstData = utcTime

// headerNames are the names of the header's values in all shapes.
var headerNames = map[string]slot{
	"Channel": logChannel, "winlog.channel": logChannel, "log_name": logChannel, "Event.System.Channel": logChannel,
	"EventID": eventID, "winlog.event_id": eventID, "event_id": eventID, "Event.System.EventID": eventID,
	"Event.System.EventID.#text": eventID, "event.code": eventCode,
	"SourceName": logProvider, "Provider": logProvider, "EventSourceName": logProvider, "winlog.provider_name": logProvider,
	"source_name": logProvider, "Event.System.Provider.#attributes.Name": logProvider,
	"Event.System.Provider_attributes.Name": logProvider, "event.provider": logProvider,
	"Hostname": logComputer, "Computer": logComputer, "winlog.computer_name": logComputer, "computer_name": logComputer,
	"Event.System.Computer": logComputer, "host.name": hostName,
	"RecordNumber": recordID, "EventRecordID": recordID, "winlog.record_id": recordID, "record_number": recordID,
	"Event.System.EventRecordID": recordID,
	"TimeCreated":                created, "SystemTime": created, "TimeGenerated": created,
	"Event.System.TimeCreated.#attributes.SystemTime": created, "Event.System.TimeCreated_attributes.SystemTime": created,
	"System.Channel": logChannel, "System.EventID": eventID, "System.EventID.Value": eventID, "System.Provider.Name": logProvider,
	"System.Computer": logComputer, "System.EventRecordID": recordID, "System.TimeCreated.SystemTime": created,
	"EventTime": eventTime, "EventReceivedTime": received, "@timestamp": arrived, "event.created": readAt,
	"Message": rendered, "message": rendered,
	"Category": category, "winlog.task": category, "task": category, "event.action": action,
	"Keywords": keywords, "winlog.keywords": keywords, "keywords": keywords, "Event.System.Keywords": keywords,
	"UserID": writerID, "winlog.user.identifier": writerID, "user.identifier": writerID,
	"Event.System.Security.#attributes.UserID": writerID, "Event.System.Security_attributes.UserID": writerID,
	"AccountName": writerName, "winlog.user.name": writerName,
	"Domain": writerDomain, "winlog.user.domain": writerDomain,
	"EventData": eventData, "dns.answers": answers, "network.direction": direction, "sysmon.dns.status": dnsStatus,
}

// dataNames are the names of the values of the event's data that become ECS fields. The rest keeps its name.
var dataNames = map[string]slot{
	"UtcTime": utcTime, "RuleName": ruleName, "ProcessGuid": processGUID, "ProcessGUID": processGUID, "ProcessId": processID,
	"ProcessID": processID2, "Image": image, "CommandLine": commandLine, "CurrentDirectory": currentDirectory, "User": user,
	"Hashes": hashes, "Hash": hash, "FileVersion": fileVersion, "Description": description, "Product": product, "Company": company,
	"OriginalFileName": originalFileName, "ParentProcessGuid": parentGUID, "ParentProcessId": parentID,
	"ParentImage": parentImage, "ParentCommandLine": parentCommandLine, "Protocol": protocol, "Initiated": initiated,
	"SourceIp": sourceIP, "SourceHostname": sourceHostname, "SourcePort": sourcePort, "DestinationIp": destinationIP,
	"DestinationHostname": destinationHostname, "DestinationPort": destinationPort, "QueryName": queryName,
	"QueryStatus": queryStatus, "QueryResults": queryResults, "TargetFilename": targetFilename, "ImageLoaded": imageLoaded,
	"TargetObject": targetObject, "Details": details, "PipeName": pipeName, "EventType": eventType,
	"SourceProcessGuid": sourceGUID, "SourceProcessGUID": sourceGUID, "SourceProcessId": sourceID, "SourceImage": sourceImage,
	"NewProcessId": newProcessID, "NewProcessName": newProcessName, "ProcessName": processName,
	"ParentProcessName": parentProcessName, "SubjectUserSid": subjectSID, "SubjectUserName": subjectName,
	"SubjectDomainName": subjectDomain, "TargetUserSid": targetSID, "TargetUserName": targetName,
	"TargetDomainName": targetDomain, "Status": status, "Application": application, "Direction": directionCode,
	"SourceAddress": sourceAddress, "DestAddress": destAddress, "DestPort": destPort,
}

// dataPrefixes stand before names of the event's data in the shapes that nest it.
var dataPrefixes = []string{"winlog.event_data.", "winlog.user_data.", "event_data.", "user_data.", "Event.EventData.", "Event.UserData.", "EventData.", "UserData."}

// droppedNames say nothing of the event, or say again what another field says.
var droppedNames = strings.Fields(`
	ProviderGuid Severity SeverityValue Level level Opcode OpcodeValue opcode Task Version version type host port @version
	SourceModuleName SourceModuleType ERROR_EVT_UNRESOLVED AccountType ExecutionProcessID ThreadID process_id thread_id provider_guid
	TenantId SourceSystem EventLevel EventLevelName EventOriginId ManagementGroupName MG _ResourceId SourceComputerId TimeCollected
	winlog.provider_guid winlog.api winlog.opcode winlog.version winlog.activity_id winlog.process.pid winlog.process.thread.id
	winlog.user.type user.type event.kind event.module event.category event.type event.dataset event.ingested event.original
	event.timezone log.level log.file.path log.offset process.args process.args_count process.parent.args process.parent.args_count
	host.ip host.mac host.os.version dns.question.registered_domain dns.question.subdomain dns.question.top_level_domain network.type`)

// droppedPrefixes are of whole objects that tell of the shipper.
var droppedPrefixes = []string{"agent.", "ecs.", "related.", "beat.", "host.", "input.", "@metadata.", "hash.", "System.", "Event.System.", "Event.#attributes.", "Event_attributes."}

// A target is where a member goes: one of its fields is set.
type target struct {
	slot  slot
	field event.Field
	drop  bool
}

// known says of every name with a meaning of its own where it goes. Built once, never written again.
var known = func() map[string]target {
	m := make(map[string]target)
	for _, f := range event.Fields() {
		if field, _ := event.Lookup(f.Name); !strings.HasPrefix(f.Name, "culprit.") {
			m[f.Name] = target{field: field}
		}
	}
	for _, n := range droppedNames {
		m[n] = target{drop: true}
	}
	for n, s := range headerNames {
		m[n] = target{slot: s}
	}
	for n, s := range dataNames {
		m[n] = target{slot: s}
		for _, p := range dataPrefixes {
			m[p+n] = target{slot: s}
		}
	}
	return m
}()

// slotNames gives the name a value of the data gets when it becomes no ECS field.
var slotNames = func() (names [numSlots]string) {
	for n, s := range dataNames {
		if n = dataPrefixes[0] + n; n > names[s] { // of two spellings the one with fewer capitals
			names[s] = n
		}
	}
	return names
}()
