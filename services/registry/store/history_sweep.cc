#include "services/registry/store/history_sweep.h"

#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

// The oldest partition that holds, or may hold, rows of products that keep them for fewer days than
// it is old. Another set of such products begins it anew.
constexpr Statement kFindDue{
    "history_sweep_due",
    "WITH day AS (SELECT c.oid, c.relname::text AS name,"
    "  $2::int8 - (to_date(right(c.relname::text, 8), 'YYYYMMDD') - date '1970-01-01') AS age"
    "  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    "  WHERE i.inhparent = $1::text::regclass AND c.relname ~ '_[0-9]{8}$') "
    "SELECT day.name, day.age, p.due,"
    " CASE WHEN s.due = p.due THEN s.next_block ELSE 0 END,"
    " pg_relation_size(day.oid) / current_setting('block_size')::int8 "
    "FROM day CROSS JOIN LATERAL (SELECT md5(string_agg(id, ' ' ORDER BY id)) AS due FROM product"
    "  WHERE history_days > 0 AND history_days < day.age) AS p "
    "LEFT JOIN history_sweep s ON s.partition = day.name "
    "WHERE p.due IS NOT NULL AND (s.partition IS NULL OR s.due <> p.due OR NOT s.done) "
    "ORDER BY day.name LIMIT 1"};

// {0} the partition. Who moves `next_block` on does the part between. What is due is asked for row
// by row, by the keys of device and product.
constexpr char kSweep[] = R"(
WITH mine AS (
  INSERT INTO history_sweep AS s (partition, due, next_block, done)
  VALUES ($1::text, $2::text, $4::int8, $5::bool)
  ON CONFLICT (partition) DO UPDATE
    SET due = excluded.due, next_block = excluded.next_block, done = excluded.done
    WHERE CASE WHEN s.due = excluded.due THEN s.next_block = $3::int8 AND NOT s.done
               ELSE $3::int8 = 0 END
  RETURNING partition),
gone AS (
  DELETE FROM {0} h
  WHERE EXISTS (SELECT FROM mine)
    AND h.ctid >= format('(%s,0)', $3::int8)::tid AND h.ctid < format('(%s,0)', $4::int8)::tid
    AND (SELECT p.history_days > 0 AND p.history_days < $6::int8
         FROM device d JOIN product p ON p.id = d.product WHERE d.id = h.device)
  RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM mine))";

}  // namespace

absl::StatusOr<SweepStep> SweepHistory(postgres::Connection& connection, std::string_view table,
                                       int64_t today, int64_t blocks) {
  SweepStep step;
  HP_ASSIGN_OR_RETURN(const Result due,
                      connection.Execute(kFindDue, Params().Text(table).Int8(today)));
  if (due.empty()) return step;
  step.partition = due.Text(0, 0);
  const int64_t first = due.Int8(0, 3);
  const bool last = first + blocks >= due.Int8(0, 4);
  HP_ASSIGN_OR_RETURN(const Result swept, connection.Query(fmt::format(kSweep, step.partition),
                                                           Params()
                                                               .Text(step.partition)
                                                               .Text(due.Text(0, 2))
                                                               .Int8(first)
                                                               .Int8(first + blocks)
                                                               .Bool(last)
                                                               .Int8(due.Int8(0, 1))));
  step.rows = swept.Int8(0, 0);
  step.finished = last && swept.Int8(0, 1) == 1;
  return step;
}

}  // namespace homeport::registry
