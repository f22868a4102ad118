#include "services/twin/store/page_statement.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::twin {
namespace {

// Where the page lies, said of the table `t` or `d`.
std::string KeyRange(const Source& source, std::string_view table) {
  const auto name = Absl(table);
  const std::string after = source.has_modules
                                ? absl::StrCat("(", name, ".device_id, ", name, ".module_id) > ($1::text, $2::text)")
                                : absl::StrCat(name, ".device_id > $1::text AND $2::text = ''");
  return absl::StrCat(after, " AND ($3::text IS NULL OR ", name, ".device_id <= $3::text)");
}

}  // namespace

std::string PageStatement(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where,
                          bool along_key) {
  // Said of both tables of a join: the planner does not conclude it for the other one, and would read that from its
  // beginning, so that a page would cost the more the further behind it lies.
  const std::string range = JoinsRegistry(uses | where.uses)
                                ? absl::StrCat(KeyRange(source, "t"), " AND ", KeyRange(source, "d"))
                                : KeyRange(source, "t");
  return absl::StrCat("SELECT ", Absl(select), " ", FromClause(source, uses | where.uses), " WHERE ", range, " AND ",
                      where.text, " ORDER BY ", along_key ? Absl(source.key) : Absl(source.sorted_key),
                      " LIMIT $4::bigint");
}

}  // namespace fleetcast::twin
