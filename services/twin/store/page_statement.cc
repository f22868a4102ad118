#include "services/twin/store/page_statement.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::twin {
namespace {

// Where the page begins, said of the table `t` or `d`.
std::string KeyRange(const Source& source, std::string_view table) {
  const auto name = Absl(table);
  return source.has_modules ? absl::StrCat("(", name, ".device_id, ", name, ".module_id) > ($1::text, $2::text)")
                            : absl::StrCat(name, ".device_id > $1::text AND $2::text = ''");
}

// Said of both tables of a join: the planner does not conclude it for the other one, and would read that from its
// beginning, so that a page would cost the more the further behind it lies.
std::string KeyRanges(const Source& source, uint32_t uses) {
  return JoinsRegistry(uses) ? absl::StrCat(KeyRange(source, "t"), " AND ", KeyRange(source, "d"))
                             : KeyRange(source, "t");
}

// FROM and WHERE of the rows that the page is about, found however the planner likes. `uses`: of all of it.
std::string Rows(const Source& source, uint32_t uses, const query::Sql& where) {
  return absl::StrCat(FromClause(source, uses), " WHERE ", KeyRanges(source, uses), " AND ", where.text);
}

// The same rows tested one after the other along the key, `bound` (a LIMIT or OFFSET) of them. That clause also keeps
// the planner from asking an index: it takes whatever documents contain for rare, and would read and sort all that fits
// when that is half of the fleet and the page is full after some rows.
std::string RowsAlongKey(const Source& source, uint32_t uses, const query::Sql& where, std::string_view bound) {
  return absl::StrCat("FROM (SELECT * FROM ", Absl(source.documents), " AS t WHERE ", KeyRange(source, "t"),
                      " ORDER BY ", Absl(source.key), " ", Absl(bound), ") AS t",
                      JoinsRegistry(uses) ? JoinOfRegistry(source) : "", " WHERE ", KeyRanges(source, uses), " AND ",
                      where.text);
}

}  // namespace

std::string PageAlongKey(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where) {
  const uint32_t all = uses | where.uses;
  return absl::StrCat("SELECT ", Absl(select), " ",
                      where.is_indexed ? RowsAlongKey(source, all, where, "OFFSET 0") : Rows(source, all, where),
                      " ORDER BY ", Absl(source.key), " LIMIT $3::bigint");
}

std::string KeysByIndex(const Source& source, const query::Sql& where) {
  return absl::StrCat("SELECT ", Absl(source.key), ", count(*) OVER () AS matches ", Rows(source, where.uses, where),
                      " ORDER BY ", Absl(source.sorted_key), " LIMIT $3::bigint");
}

std::string PageByIndex(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where) {
  return absl::StrCat("SELECT ", Absl(select), ", page.matches ", FromClause(source, uses), " JOIN (",
                      KeysByIndex(source, where), ") AS page USING (", Absl(KeyColumns(source)), ") ORDER BY ",
                      Absl(source.key));
}

std::string CountNear(const Source& source, const query::Sql& where, int window) {
  return absl::StrCat("SELECT count(*) FROM (SELECT ",
                      RowsAlongKey(source, where.uses, where, absl::StrCat("LIMIT ", window)),
                      " LIMIT $3::bigint) AS found");
}

}  // namespace fleetcast::twin
