#include "libs/model/titles.h"

#include <catch2/catch.hpp>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

TEST_CASE("keys of texts") {
  CHECK(CanonicalTextKey("service:002") == "service:002");
  CHECK(CanonicalTextKey("service:2") == "service:002");
  CHECK(CanonicalTextKey("service:00933:property:1020") == "service:933:property:1020");
  CHECK(CanonicalTextKey("service:2:action:1") == "service:002:action:001");
  CHECK(CanonicalTextKey("service:2:event:1") == "service:002:event:001");
  CHECK(CanonicalTextKey("service:002:property:001:valuelist:000") ==
        "service:002:property:001:valuelist:000");
  for (const char* none :
       {"", "service", "service:", "service:x", "service:-1", "service:2:", "property:1",
        "service:2:argument:1", "service:2:property:1:", "service:2:action:1:valuelist:0",
        "service:2:property:1:valuelist:0:x:1", "service:123456", "service:2:property:1:other:1"}) {
    INFO(none);
    CHECK_FALSE(CanonicalTextKey(none).has_value());
  }
}

TEST_CASE("languages") {
  CHECK(CanonicalLanguage("zh-CN") == "zh_cn");
  CHECK_FALSE(CanonicalLanguage("z").has_value());
  CHECK_FALSE(CanonicalLanguage("zh cn").has_value());
  CHECK_FALSE(CanonicalLanguage("a-language-too-long").has_value());
  using List = std::vector<std::string>;
  const List available = {"de", "en", "zh", "zh_cn", "zh_hk"};
  CHECK(LanguagesFor("zh_hk", available) == List{"zh_hk", "zh", "zh_cn"});
  CHECK(LanguagesFor("zh", available) == List{"zh", "zh_cn", "zh_hk"});
  CHECK(LanguagesFor("zh_tw", {"zh_cn"}) == List{"zh_cn"});
  CHECK(LanguagesFor("fr", available).empty());
}

TEST_CASE("a title is the text, else the description, else the name") {
  const Model lamp = Lamp();
  const TextMap austrian = {{"service:002:property:001", "Ein/Aus"},
                            {"service:002:property:002:valuelist:001", "Tag"},
                            {"service:002", ""}};
  const TextMap german = {{"service:002", "Licht"},
                          {"service:002:property:001", "Schalter"},
                          {"service:002:action:001", "Umschalten"},
                          {"service:002:event:001", "Zu heiß"}};
  const Titles titles({&austrian, &german});
  CHECK(titles.Of(lamp) == "Lamp");
  CHECK(titles.Of(*lamp.FindService(2)) == "Licht");
  CHECK(titles.Of(*lamp.FindService(1)) == "Device Information");
  CHECK(titles.Of(*lamp.FindService(7)) == "switch-7");
  CHECK(titles.Of(*lamp.FindProperty(2, 1)) == "Ein/Aus");
  CHECK(titles.Of(*lamp.FindProperty(2, 3)) == "brightness");
  CHECK(titles.Of(*lamp.FindAction(2, 1)) == "Umschalten");
  CHECK(titles.Of(*lamp.FindEvent(2, 1)) == "Zu heiß");
  const Property& mode = *lamp.FindProperty(2, 2);
  CHECK(titles.OfListed(mode, 0) == "Auto");
  CHECK(titles.OfListed(mode, 1) == "Tag");
  CHECK(titles.OfListed(mode, 2).empty());
  CHECK(Titles({}).Of(*lamp.FindProperty(2, 1)) == "Switch");
}

}  // namespace
}  // namespace homeport::model
