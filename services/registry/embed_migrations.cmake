# cmake -DOUTPUT=<file.cc> "-DFILES=<a.sql>;<b.sql>" -P embed_migrations.cmake
# Writes the numbered .sql files into a C++ source that defines Migrations() of schema.h.
set(entries "")
set(last 0)
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME_WE)
  if(NOT name MATCHES "^0*([1-9][0-9]*)_" OR NOT CMAKE_MATCH_1 GREATER last)
    message(FATAL_ERROR "${file}: the numbers of migrations ascend; more than ${last} was expected")
  endif()
  set(version ${CMAKE_MATCH_1})
  set(last ${version})
  file(READ "${file}" sql)
  string(APPEND entries "    {${version}, \"${name}\", R\"migration(${sql})migration\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"services/registry/schema.h\"

namespace homeport::registry {

std::span<const postgres::Migration> Migrations() {
  static constexpr postgres::Migration kMigrations[] = {
${entries}  };
  return kMigrations;
}

}  // namespace homeport::registry
")
