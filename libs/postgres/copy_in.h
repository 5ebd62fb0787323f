#pragma once

#include <pqxx/pqxx>
#include <string_view>

#include "libs/postgres/connection.h"

namespace homeport::postgres {

// Runs a COPY … FROM STDIN in the transaction and sends it `data`. pqxx knows only its text format,
// so this speaks to libpq itself. Throws what pqxx would.
void CopyIn(const pqxx::dbtransaction& work, const Statement& statement, std::string_view data);

}  // namespace homeport::postgres
