// The reasons of our errors (ErrorInfo.reason): stable words, one per decision that a client could take. Sorted.
// A reason is documented where it is answered: in the comments of proto/.
#pragma once

#include <string_view>

namespace fleetcast::reasons {

inline constexpr std::string_view kBadDeviceResponse = "BAD_DEVICE_RESPONSE";
inline constexpr std::string_view kConnectionClosed = "CONNECTION_CLOSED";
inline constexpr std::string_view kDamagedSecret = "DAMAGED_SECRET";
inline constexpr std::string_view kDeviceAlreadyExists = "DEVICE_ALREADY_EXISTS";
inline constexpr std::string_view kDeviceDefinedTwice = "DEVICE_DEFINED_TWICE";
inline constexpr std::string_view kDeviceDisabled = "DEVICE_DISABLED";
inline constexpr std::string_view kDeviceNotFound = "DEVICE_NOT_FOUND";
inline constexpr std::string_view kDeviceNotOnline = "DEVICE_NOT_ONLINE";
inline constexpr std::string_view kEdgeNotFound = "EDGE_NOT_FOUND";
inline constexpr std::string_view kEtagMismatch = "ETAG_MISMATCH";
inline constexpr std::string_view kExecutionExpired = "EXECUTION_EXPIRED";
inline constexpr std::string_view kExecutionNotFound = "EXECUTION_NOT_FOUND";
inline constexpr std::string_view kInvalidAction = "INVALID_ACTION";
inline constexpr std::string_view kInvalidCondition = "INVALID_CONDITION";
inline constexpr std::string_view kInvalidDeviceId = "INVALID_DEVICE_ID";
inline constexpr std::string_view kInvalidDeviceScope = "INVALID_DEVICE_SCOPE";
inline constexpr std::string_view kInvalidJobId = "INVALID_JOB_ID";
inline constexpr std::string_view kInvalidKey = "INVALID_KEY";
inline constexpr std::string_view kInvalidMethod = "INVALID_METHOD";
inline constexpr std::string_view kInvalidModuleId = "INVALID_MODULE_ID";
inline constexpr std::string_view kInvalidPageToken = "INVALID_PAGE_TOKEN";
inline constexpr std::string_view kInvalidPayload = "INVALID_PAYLOAD";
inline constexpr std::string_view kInvalidPolicyFile = "INVALID_POLICY_FILE";
inline constexpr std::string_view kInvalidQuery = "INVALID_QUERY";
inline constexpr std::string_view kInvalidRetry = "INVALID_RETRY";
inline constexpr std::string_view kInvalidRollout = "INVALID_ROLLOUT";
inline constexpr std::string_view kInvalidStartTime = "INVALID_START_TIME";
inline constexpr std::string_view kInvalidTimeout = "INVALID_TIMEOUT";
inline constexpr std::string_view kInvalidTwin = "INVALID_TWIN";
inline constexpr std::string_view kInvalidValue = "INVALID_VALUE";
inline constexpr std::string_view kJobAlreadyExists = "JOB_ALREADY_EXISTS";
inline constexpr std::string_view kJobCancelled = "JOB_CANCELLED";
inline constexpr std::string_view kJobFinished = "JOB_FINISHED";
inline constexpr std::string_view kJobNotFound = "JOB_NOT_FOUND";
inline constexpr std::string_view kJobNotInState = "JOB_NOT_IN_STATE";
inline constexpr std::string_view kJobRunning = "JOB_RUNNING";
inline constexpr std::string_view kLeaseLost = "LEASE_LOST";
inline constexpr std::string_view kMissingRight = "MISSING_RIGHT";
inline constexpr std::string_view kModuleAlreadyExists = "MODULE_ALREADY_EXISTS";
inline constexpr std::string_view kModuleNotFound = "MODULE_NOT_FOUND";
inline constexpr std::string_view kOutcomeUnknown = "OUTCOME_UNKNOWN";
inline constexpr std::string_view kPayloadTooLarge = "PAYLOAD_TOO_LARGE";
inline constexpr std::string_view kResponseTimeout = "RESPONSE_TIMEOUT";
inline constexpr std::string_view kSasExpired = "SAS_EXPIRED";
inline constexpr std::string_view kSasMalformed = "SAS_MALFORMED";
inline constexpr std::string_view kSasWrongResource = "SAS_WRONG_RESOURCE";
inline constexpr std::string_view kSasWrongSignature = "SAS_WRONG_SIGNATURE";
inline constexpr std::string_view kServerBusy = "SERVER_BUSY";
inline constexpr std::string_view kSessionNotFound = "SESSION_NOT_FOUND";
inline constexpr std::string_view kTooManyActiveJobs = "TOO_MANY_ACTIVE_JOBS";
inline constexpr std::string_view kStaleSession = "STALE_SESSION";
inline constexpr std::string_view kTooManyInFlight = "TOO_MANY_IN_FLIGHT";
inline constexpr std::string_view kTooManyModules = "TOO_MANY_MODULES";
inline constexpr std::string_view kUnknownSealingKey = "UNKNOWN_SEALING_KEY";
inline constexpr std::string_view kVersionMismatch = "VERSION_MISMATCH";

}  // namespace fleetcast::reasons
