#include "CExamples.h"

// The files of the demonstration are a part of the program, so that it needs nothing else. What is in the folder and not
// here fails a test.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char balance_json[] = {
#embed "../../../Examples/demo/balance.json"
};
static const unsigned char balance_sql[] = {
#embed "../../../Examples/demo/balance.sql"
};
static const unsigned char customer_changes_avsc[] = {
#embed "../../../Examples/demo/customer-changes.avsc"
};
static const unsigned char customers_database_sql[] = {
#embed "../../../Examples/demo/customers-database.sql"
};
static const unsigned char ratings_dashboard_json[] = {
#embed "../../../Examples/demo/ratings-dashboard.json"
};
static const unsigned char ratings_avsc[] = {
#embed "../../../Examples/demo/ratings.avsc"
};
static const unsigned char ratings_json[] = {
#embed "../../../Examples/demo/ratings.json"
};
static const unsigned char ratings_sql[] = {
#embed "../../../Examples/demo/ratings.sql"
};
static const unsigned char talk_json[] = {
#embed "../../../Examples/demo/talk.json"
};
static const unsigned char talk_sql[] = {
#embed "../../../Examples/demo/talk.sql"
};
static const unsigned char widgets_dashboard_json[] = {
#embed "../../../Examples/demo/widgets-dashboard.json"
};
static const unsigned char widgets_avsc[] = {
#embed "../../../Examples/demo/widgets.avsc"
};
static const unsigned char widgets_json[] = {
#embed "../../../Examples/demo/widgets.json"
};
static const unsigned char widgets_sql[] = {
#embed "../../../Examples/demo/widgets.sql"
};

static const struct swiftwater_example examples[] = {
    {"balance.json", balance_json, sizeof(balance_json)},
    {"balance.sql", balance_sql, sizeof(balance_sql)},
    {"customer-changes.avsc", customer_changes_avsc, sizeof(customer_changes_avsc)},
    {"customers-database.sql", customers_database_sql, sizeof(customers_database_sql)},
    {"ratings-dashboard.json", ratings_dashboard_json, sizeof(ratings_dashboard_json)},
    {"ratings.avsc", ratings_avsc, sizeof(ratings_avsc)},
    {"ratings.json", ratings_json, sizeof(ratings_json)},
    {"ratings.sql", ratings_sql, sizeof(ratings_sql)},
    {"talk.json", talk_json, sizeof(talk_json)},
    {"talk.sql", talk_sql, sizeof(talk_sql)},
    {"widgets-dashboard.json", widgets_dashboard_json, sizeof(widgets_dashboard_json)},
    {"widgets.avsc", widgets_avsc, sizeof(widgets_avsc)},
    {"widgets.json", widgets_json, sizeof(widgets_json)},
    {"widgets.sql", widgets_sql, sizeof(widgets_sql)},
};

const struct swiftwater_example *swiftwater_example_at(size_t index) {
    return index < sizeof(examples) / sizeof(examples[0]) ? &examples[index] : NULL;
}
