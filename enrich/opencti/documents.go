package opencti

import "strings"

// operation is one GraphQL document. One operation a request: the platform
// counts repeated fields as an attack.
type operation struct{ name, document string }

var (
	opHealth = operation{"healthCheck", `query healthCheck { about { version } }`}

	opPing = operation{"PingConnector", `mutation PingConnector($id: ID!, $state: String, $connectorInfo: ConnectorInfoInput) {
  pingConnector(id: $id, state: $state, connectorInfo: $connectorInfo) { id connector_state }
}`}

	opRead = operation{"ReadForEnrichment", `query ReadForEnrichment($id: String!) {
  stixCoreObject(id: $id) {
    id standard_id entity_type
    objectMarking { id standard_id definition_type definition }
    objectOrganization { standard_id }
    toStix
  }
}`}

	opReceived = operation{"workToReceived", `mutation workToReceived($id: ID!, $message: String) { workEdit(id: $id) { toReceived(message: $message) } }`}

	opExpect = operation{"addExpectations", `mutation addExpectations($id: ID!, $expectations: Int) { workEdit(id: $id) { addExpectations(expectations: $expectations) } }`}

	opReport = operation{"reportExpectation", `mutation reportExpectation($id: ID!, $error: WorkErrorInput) { workEdit(id: $id) { reportExpectation(error: $error) } }`}

	opProcessed = operation{"workToProcessed", `mutation workToProcessed($id: ID!, $message: String, $inError: Boolean) { workEdit(id: $id) { toProcessed(message: $message, inError: $inError) } }`}

	opPingWork = operation{"pingWork", `mutation pingWork($id: ID!) { workEdit(id: $id) { ping } }`}

	opStep = operation{"PlaybookStepExecution", `mutation PlaybookStepExecution($execution_id: ID!, $event_id: ID!, $execution_start: DateTime!, $data_instance_id: ID!, $playbook_id: ID!, $previous_step_id: ID!, $step_id: ID!, $previous_bundle: String!, $bundle: String!) {
  playbookStepExecution(execution_id: $execution_id, event_id: $event_id, execution_start: $execution_start, data_instance_id: $data_instance_id, playbook_id: $playbook_id, previous_step_id: $previous_step_id, step_id: $step_id, previous_bundle: $previous_bundle, bundle: $bundle)
}`}

	opPush = operation{"StixBundlePush", `mutation StixBundlePush($connectorId: String!, $bundle: String!, $work_id: String) {
  stixBundlePush(connectorId: $connectorId, bundle: $bundle, work_id: $work_id)
}`}
)

// opRegister selects only what the platform's version has: one unknown field
// fails the whole request. We never ask for s3, which an installation without
// static keys cannot answer.
func opRegister(v version) operation {
	jwks := ""
	if v.atLeast(7, 260224, 0) {
		jwks = " jwks"
	}
	return operation{"RegisterConnector", strings.Replace(`mutation RegisterConnector($input: RegisterConnectorInput) {
  registerConnector(input: $input) {
    id connector_state connector_user_id JWKS
    config {
      connection { host vhost use_ssl port user pass }
      listen listen_routing listen_exchange
      push push_routing push_exchange
    }
  }
}`, " JWKS", jwks, 1)}
}
