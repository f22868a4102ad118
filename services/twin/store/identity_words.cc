#include "services/twin/store/identity_words.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/strings.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {

const IdentityWords& DeviceWords() {
  static const auto* const words = new IdentityWords{
      {"{kind}", "device"},
      {"{table}", "twin.device"},
      {"{twins}", "twin.twin"},
      {"{key}", "device_id"},
      {"{d.order}", "d.device_id"},
      {"{d is u}", "d.device_id = u.device_id"},
      {"{d is name}", "d.device_id = u.name"},
      {"{t is u}", "t.device_id = u.device_id"},
      {"{t is name}", "t.device_id = u.name"},
      {"{named twins}", "twin.twin AS t WHERE t.device_id = ANY($1::text[])"},
      {"{names order}", "t.device_id"},
      {"{name}", "device_id"},
      {"{given.name}", "given.device_id"},
      {"{t.name}", "t.device_id"},
      {"{scopes}", FLEETCAST_DEVICE_SCOPES},
      {"{t is one}", "t.device_id = $1 AND $2 = ''"},
      {"{own columns}",
       "''::text AS module_id, NULL::text AS managed_by, d.primary_key, d.secondary_key, d.device_scope, "
       "d.parent_scope"},
      {"{into}", "device_id, disabled, status_reason, iot_edge, device_scope, parent_scope"},
      {"{from}", "device_id, disabled::boolean, status_reason, iot_edge::boolean, device_scope, parent_scope"},
      {"{set}",
       "disabled = u.disabled::boolean, status_reason = u.status_reason, iot_edge = u.iot_edge::boolean, "
       "status_update_time = CASE WHEN d.disabled <> u.disabled::boolean THEN now() ELSE d.status_update_time END, "
       "device_scope = u.device_scope, parent_scope = u.parent_scope, primary_key = NULL, secondary_key = NULL"},
  };
  return *words;
}

const IdentityWords& ModuleWords() {
  static const auto* const words = new IdentityWords{
      {"{kind}", "module"},
      {"{table}", "twin.module"},
      {"{twins}", "twin.module_twin"},
      {"{key}", "device_id, module_id"},
      {"{d.order}", "d.device_id, d.module_id"},
      {"{d is u}", "d.device_id = u.device_id AND d.module_id = u.module_id"},
      {"{d is name}", "d.device_id = split_part(u.name, '/', 1) AND d.module_id = split_part(u.name, '/', 2)"},
      {"{t is u}", "t.device_id = u.device_id AND t.module_id = u.module_id"},
      {"{t is name}", "t.device_id = split_part(u.name, '/', 1) AND t.module_id = split_part(u.name, '/', 2)"},
      {"{named twins}", "unnest($1::text[]) AS u(name) JOIN twin.module_twin AS t ON {t is name}"},
      {"{names order}", "u.name COLLATE \"C\""},
      {"{name}", "device_id || '/' || module_id"},
      {"{given.name}", "given.device_id || '/' || given.module_id"},
      {"{t.name}", "t.device_id || '/' || t.module_id"},
      {"{scopes}", FLEETCAST_MODULE_SCOPES},
      {"{t is one}", "t.device_id = $1 AND t.module_id = $2"},
      {"{own columns}",
       "d.module_id, d.managed_by, NULL::text AS primary_key, NULL::text AS secondary_key, NULL::text AS device_scope, "
       "NULL::text AS parent_scope"},
      {"{into}", "device_id, module_id, managed_by"},
      {"{from}", "device_id, module_id, managed_by"},
      {"{set}", "managed_by = u.managed_by"},
  };
  return *words;
}

postgres::Statement MakeStatement(const IdentityWords& words, std::string_view name, std::string_view text) {
  const std::string full_name = absl::StrCat("twin_{kind}_", Absl(name));
  const auto* const kept = new std::pair<std::string, std::string>(
      absl::StrReplaceAll(full_name, words), absl::StrReplaceAll(absl::StrReplaceAll(Absl(text), words), words));
  return {kept->first.c_str(), kept->second.c_str()};
}

}  // namespace fleetcast::twin
