//! From an ITCH message to the normalised one.

use super::any::MarketMessage;
use super::market::{self, split_time};
use crate::itch::ItchMessage;

impl From<ItchMessage<'_>> for MarketMessage {
    /// Keeps every field but the tracking number, the symbol's text (see
    /// [`market::SymbolDirectory`]) and the order number of a trade, which is always zero.
    #[inline]
    fn from(itch: ItchMessage<'_>) -> Self {
        let header = itch.header();
        let time_ns = header.timestamp.get();
        let symbol = header.locate.get();
        let (time_low_ns, time_high) = split_time(time_ns);
        match itch {
            ItchMessage::AddOrder(m) => market::AddOrder {
                time_ns,
                reference: m.reference.get(),
                price: m.price.get(),
                size: m.shares.get(),
                attribution: [0; 4],
                symbol,
                side: [m.side],
                reserved: [0],
            }
            .into(),
            ItchMessage::AddOrderAttributed(m) => market::AddOrder {
                time_ns,
                reference: m.reference.get(),
                price: m.price.get(),
                size: m.shares.get(),
                attribution: m.attribution,
                symbol,
                side: [m.side],
                reserved: [0],
            }
            .into(),
            ItchMessage::OrderExecuted(m) => market::OrderExecuted {
                time_ns,
                reference: m.reference.get(),
                match_number: m.match_number.get(),
                size: m.shares.get(),
                symbol,
                reserved: [0; 2],
            }
            .into(),
            ItchMessage::OrderExecutedWithPrice(m) if m.printable == b'N' => {
                market::OrderExecutedUnprinted {
                    reference: m.reference.get(),
                    match_number: m.match_number.get(),
                    size: m.shares.get(),
                    price: m.price.get(),
                    time_low_ns,
                    time_high,
                    symbol,
                }
                .into()
            }
            ItchMessage::OrderExecutedWithPrice(m) => market::OrderExecutedAtPrice {
                reference: m.reference.get(),
                match_number: m.match_number.get(),
                size: m.shares.get(),
                price: m.price.get(),
                time_low_ns,
                time_high,
                symbol,
            }
            .into(),
            ItchMessage::OrderCancel(m) => market::OrderCancelled {
                time_ns,
                reference: m.reference.get(),
                size: m.shares.get(),
                symbol,
                reserved: [0; 2],
            }
            .into(),
            ItchMessage::OrderDelete(m) => market::OrderDeleted {
                time_ns,
                reference: m.reference.get(),
                symbol,
                reserved: [0; 6],
            }
            .into(),
            ItchMessage::OrderReplace(m) => market::OrderReplaced {
                old_reference: m.old_reference.get(),
                new_reference: m.new_reference.get(),
                price: m.price.get(),
                size: m.shares.get(),
                time_low_ns,
                time_high,
                symbol,
            }
            .into(),
            ItchMessage::Trade(m) => market::Trade {
                time_ns,
                match_number: m.match_number.get(),
                price: m.price.get(),
                size: m.shares.get(),
                symbol,
                side: [m.side],
                reserved: [0; 5],
            }
            .into(),
            ItchMessage::CrossTrade(m) => market::CrossTrade {
                time_ns,
                size: m.shares.get(),
                match_number: m.match_number.get(),
                price: m.price.get(),
                symbol,
                cross_type: [m.cross_type],
                reserved: [0],
            }
            .into(),
            ItchMessage::BrokenTrade(m) => market::BrokenTrade {
                time_ns,
                match_number: m.match_number.get(),
                symbol,
                reserved: [0; 6],
            }
            .into(),
            ItchMessage::NetOrderImbalance(m) => market::Imbalance {
                time_ns,
                paired_size: m.paired_shares.get(),
                imbalance_size: m.imbalance_shares.get(),
                far_price: m.far_price.get(),
                near_price: m.near_price.get(),
                reference_price: m.reference_price.get(),
                symbol,
                direction: [m.direction],
                cross_type: [m.cross_type],
                price_variation: [m.price_variation],
                reserved: [0; 7],
            }
            .into(),
            ItchMessage::SystemEvent(m) => market::SystemEvent {
                time_ns,
                event: [m.event],
                reserved: [0; 7],
            }
            .into(),
            ItchMessage::StockDirectory(m) => market::SymbolDirectory {
                time_ns,
                name: m.stock,
                round_lot_size: m.round_lot_size.get(),
                etp_leverage: m.etp_leverage.get(),
                symbol,
                issue_subtype: m.issue_subtype,
                market_category: [m.market_category],
                financial_status: [m.financial_status],
                round_lots_only: [m.round_lots_only],
                issue_classification: [m.issue_classification],
                authenticity: [m.authenticity],
                short_sale_threshold: [m.short_sale_threshold],
                ipo_flag: [m.ipo_flag],
                luld_tier: [m.luld_tier],
                etp_flag: [m.etp_flag],
                inverse: [m.inverse],
                reserved: [0; 2],
            }
            .into(),
            ItchMessage::StockTradingAction(m) => market::TradingAction {
                time_ns,
                symbol,
                state: [m.state],
                reserved: [m.reserved],
                reason: m.reason,
            }
            .into(),
            ItchMessage::RegSho(m) => market::RegSho {
                time_ns,
                symbol,
                action: [m.action],
                reserved: [0; 5],
            }
            .into(),
            ItchMessage::ParticipantPosition(m) => market::ParticipantPosition {
                time_ns,
                participant: m.participant,
                symbol,
                primary_market_maker: [m.primary_market_maker],
                market_maker_mode: [m.market_maker_mode],
                state: [m.state],
                reserved: [0; 7],
            }
            .into(),
            ItchMessage::MwcbDeclineLevel(m) => market::MwcbDeclineLevel {
                time_ns,
                level_1: m.level_1.get(),
                level_2: m.level_2.get(),
                level_3: m.level_3.get(),
            }
            .into(),
            ItchMessage::MwcbStatus(m) => market::MwcbStatus {
                time_ns,
                breached_level: [m.breached_level],
                reserved: [0; 7],
            }
            .into(),
            ItchMessage::IpoQuotingPeriod(m) => market::IpoQuotingPeriod {
                time_ns,
                release_time_s: m.release_time.get(),
                price: m.price.get(),
                symbol,
                release_qualifier: [m.release_qualifier],
                reserved: [0; 5],
            }
            .into(),
            ItchMessage::LuldAuctionCollar(m) => market::LuldAuctionCollar {
                time_ns,
                reference_price: m.reference_price.get(),
                upper_price: m.upper_price.get(),
                lower_price: m.lower_price.get(),
                extension: m.extension.get(),
                symbol,
                reserved: [0; 6],
            }
            .into(),
            ItchMessage::OperationalHalt(m) => market::OperationalHalt {
                time_ns,
                symbol,
                market: [m.market],
                action: [m.action],
                reserved: [0; 4],
            }
            .into(),
            ItchMessage::RetailInterest(m) => market::RetailInterest {
                time_ns,
                symbol,
                interest: [m.interest],
                reserved: [0; 5],
            }
            .into(),
            ItchMessage::DirectListing(m) => market::DirectListing {
                time_ns,
                near_time_ns: m.near_time.get(),
                minimum_price: m.minimum_price.get(),
                maximum_price: m.maximum_price.get(),
                near_price: m.near_price.get(),
                lower_price: m.lower_price.get(),
                upper_price: m.upper_price.get(),
                symbol,
                open_eligibility: [m.open_eligibility],
                reserved: [0],
            }
            .into(),
        }
    }
}
