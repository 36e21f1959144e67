package opencti

// operation is one GraphQL document. The platform refuses one that asks for the
// same field of Query more than twice, or of Mutation more than once.
type operation struct{ name, document string }

// Names of operations whose document depends on the platform.
const (
	nameRegister = "RegisterConnector"
	namePing     = "PingConnector"
	nameRead     = "ReadForEnrichment"
	nameBundle   = "StixBundlePush"
)

var (
	opHealth = operation{"healthCheck", `query healthCheck { about { version } }`}

	opReceived = operation{"workToReceived", `mutation workToReceived($id: ID!, $message: String) { workEdit(id: $id) { toReceived(message: $message) } }`}

	// opBegin is opReceived and opExpect in one request. The platform runs both on
	// the same work, each as one scripted update of fields of its own, so that
	// their order does not matter.
	opBegin = operation{"workBegin", `mutation workBegin($id: ID!, $message: String, $expectations: Int) {
  workEdit(id: $id) { toReceived(message: $message) addExpectations(expectations: $expectations) }
}`}

	opExpect = operation{"addExpectations", `mutation addExpectations($id: ID!, $expectations: Int) { workEdit(id: $id) { addExpectations(expectations: $expectations) } }`}

	opReport = operation{"reportExpectation", `mutation reportExpectation($id: ID!, $error: WorkErrorInput) { workEdit(id: $id) { reportExpectation(error: $error) } }`}

	opProcessed = operation{"workToProcessed", `mutation workToProcessed($id: ID!, $message: String, $inError: Boolean) { workEdit(id: $id) { toProcessed(message: $message, inError: $inError) } }`}

	opPingWork = operation{"pingWork", `mutation pingWork($id: ID!) { workEdit(id: $id) { ping } }`}

	opStep = operation{"PlaybookStepExecution", `mutation PlaybookStepExecution($execution_id: ID!, $event_id: ID!, $execution_start: DateTime!, $data_instance_id: ID!, $playbook_id: ID!, $previous_step_id: ID!, $step_id: ID!, $previous_bundle: String!, $bundle: String!) {
  playbookStepExecution(execution_id: $execution_id, event_id: $event_id, execution_start: $execution_start, data_instance_id: $data_instance_id, playbook_id: $playbook_id, previous_step_id: $previous_step_id, step_id: $step_id, previous_bundle: $previous_bundle, bundle: $bundle)
}`}

	opUpload = operation{"UploadPending", `mutation UploadPending($file: Upload!, $entityId: String, $file_markings: [String!]) {
  uploadPending(file: $file, entityId: $entityId, file_markings: $file_markings) { id name }
}`}

	opDraft = operation{"DraftWorkspaceAdd", `mutation DraftWorkspaceAdd($input: DraftWorkspaceAddInput!) { draftWorkspaceAdd(input: $input) { id } }`}

	opDraftContext = operation{"addDraftContext", `mutation addDraftContext($id: ID!, $draftContext: String) { workEdit(id: $id) { addDraftContext(draftContext: $draftContext) } }`}

	opTracking = operation{"WorkTracking", `query WorkTracking($id: ID!) { work(id: $id) { tracking { import_expected_number } } }`}

	opPerson = operation{"WhoAsked", `query WhoAsked($work: ID!) { work(id: $work) { user { name } } }`}

	opPlaybook = operation{"PlaybookName", `query PlaybookName($playbook: String!) { playbook(id: $playbook) { name } }`}
)

// opRegister selects only what the platform's version has: one unknown field
// fails the whole request. It asks for s3 only for those who use it, because an
// installation without static keys cannot answer that.
func opRegister(v version, s3 bool) operation {
	jwks, storage := "", ""
	if v.atLeast(7, 260224, 0) {
		jwks = " jwks"
	}
	if s3 && v.atLeast(6, 9, 10) {
		storage = "\n      s3 { endpoint port use_ssl bucket_name bucket_region access_key secret_key }"
	}
	return operation{nameRegister, `mutation RegisterConnector($input: RegisterConnectorInput) {
  registerConnector(input: $input) {
    id connector_state connector_user_id` + jwks + `
    config {
      connection { host vhost use_ssl port user pass }` + storage + `
      listen listen_routing listen_exchange
      push push_routing push_exchange
    }
  }
}`}
}

// opPing leaves out what older platforms do not know.
func opPing(v version) operation {
	if !v.hasConnectorInfo() {
		return operation{namePing, `mutation PingConnector($id: ID!, $state: String) {
  pingConnector(id: $id, state: $state) { id connector_state }
}`}
	}
	return operation{namePing, `mutation PingConnector($id: ID!, $state: String, $connectorInfo: ConnectorInfoInput) {
  pingConnector(id: $id, state: $state, connectorInfo: $connectorInfo) { id connector_state }
}`}
}

// opRead reads the entity, and in the same request who asked and what the work
// expects already. Each is a field of its own, so that one failing costs no other.
func opRead(work, playbook bool) operation {
	parameters, fields := readFields(work, playbook, "")
	return operation{nameRead, "query ReadForEnrichment(" + parameters + ") {" + fields + "\n}"}
}

// opReadPair is opRead for two. Twice is as often as the platform lets a
// document ask for a field.
func opReadPair(work, playbook bool) operation {
	parameters, fields := readFields(work, playbook, "")
	parameters2, fields2 := readFields(work, playbook, "2")
	return operation{nameRead, "query ReadForEnrichment(" + parameters + ", " + parameters2 + ") {" + fields + fields2 + "\n}"}
}

func readFields(work, playbook bool, suffix string) (parameters, fields string) {
	as := func(field string) string {
		if suffix == "" {
			return field
		}
		return field + suffix + ": " + field
	}
	parameters = "$id" + suffix + ": String!"
	fields = `
  ` + as("stixCoreObject") + `(id: $id` + suffix + `) {
    id standard_id entity_type
    objectMarking { id standard_id definition_type definition }
    objectOrganization { standard_id }
    toStix
  }`
	if work {
		parameters += ", $work" + suffix + ": ID!"
		fields += "\n  " + as(fieldWork) + "(id: $work" + suffix + ") { user { name } tracking { import_expected_number } }"
	}
	if playbook {
		parameters += ", $playbook" + suffix + ": String!"
		fields += "\n  " + as(fieldPlaybook) + "(id: $playbook" + suffix + ") { name }"
	}
	return parameters, fields
}

// opPush: platforms before 6.5.7 cannot be told the work.
func opPush(v version) operation {
	if !v.atLeast(6, 5, 7) {
		return operation{nameBundle, `mutation StixBundlePush($connectorId: String!, $bundle: String!) {
  stixBundlePush(connectorId: $connectorId, bundle: $bundle)
}`}
	}
	return operation{nameBundle, `mutation StixBundlePush($connectorId: String!, $bundle: String!, $work_id: String) {
  stixBundlePush(connectorId: $connectorId, bundle: $bundle, work_id: $work_id)
}`}
}
