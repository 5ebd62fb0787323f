# cmake -DOUTPUT=<file.cc> "-DFILES=<a.sql>;<b.sql>" -P embed_migrations.cmake
# Writes the numbered .sql files into a C++ source that defines Migrations() of schema.h.
set(entries "")
set(version 0)
foreach(file IN LISTS FILES)
  math(EXPR version "${version} + 1")
  get_filename_component(name "${file}" NAME_WE)
  if(NOT name MATCHES "^0*${version}_")
    message(FATAL_ERROR "${file}: migrations are numbered without a gap; ${version} was expected")
  endif()
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
