"""Words of column names by role: English first, then other languages. Does not compare names."""

# Words by role, most telling first. A name matches if it holds the word, separators and accents aside.
WORDS = {
    "user": "customerunique customerid userid visitorid customer user visitor client member buyer shopper reviewer "
    "account household kunde loyalty usuario utente utilisateur acheteur comprador klient klant musteri клиент "
    "покупател пользовател 用户 用戶 客户 客戶 会员 會員 会員 顧客 買家 买家 email profilename anonymousid pseudoid "
    "uid distinctid custcode custid custno kundnr kundnum kunnr auftraggeber vevo zakaznik odberatel asiakas 고객 회원 "
    "구매자 session",
    "item": "stockcode sku itemid productid parentasin asin article artikel item product produkt produit producto "
    "ean isbn upc gtin barcode produto prodotto stokkodu urun towar артикул товар 商品 产品 產品 movie film book "
    "recipe track song artist video game anime beer business listing offer variant referencia reference prodcode "
    "prodid matnr material cikk termek zbozi vare vara tuote 상품 제품",
    "available": "availability instock isavailable available onhand inventory stock",
    "time": "timestamp datetime eventtime createdat created purchase order invoice transaction paid bought event "
    "review time date day datum fecha zeit data tarih дата 时间 時間 日期 日時 日付 "
    "angelegt erdat kelte dato paivamaara 일시 날짜 일자",
    "title": "title productname itemname prodname lineitemname name label bezeichnung caption nomeproduto "
    "nomproduit nomduproduit nombre nome designation urunadi nazwa naam наименование название 名称 名稱 商品名 品名 "
    "arktx kurztext megnevezes nazev benamning betegnelse 상품명 제품명 "
    "description descripcion descricao descrizione",
    "description": "productdescription description desc text details about summary overview beschreibung описание 描述",
    "price": "unitprice price saleprice amount preis prix precio preco prezzo fiyat cena prijs цена 单价 單價 単価 "
    "价格 價格 egysegar pris hinta netpr 판매가 가격 단가",
    "gender": "gender sex geschlecht cinsiyet пол 性别 性別",
    "age": "age alter возраст 年龄 年齡 年齢",
    "birth_year": "birthyear yearofbirth birth geburt",
    "device": "devicetype device platform",
    "event": "eventtype event action behavior behaviour",
    "rating": "rating stars score overall bewertung puan оценка 评分 評価",
    "quantity": "quantity qty units menge anzahl quantidade quantite quantita qte cantidad miktar adet ilosc aantal "
    "количество 数量 數量 mennyiseg pocet antal kwmeng 수량",
    "brand": "brand manufacturer vendor marke marca marque hersteller бренд 品牌",
    "image": "mainimage baseimage imagesrc imageurl imurl image img picture photo foto bild thumbnail thumb",
}
# Names with such a word do not have the role, whatever else they hold.
OTHERS = {
    "available": "code id",
    "user": "name city state zip postal country region segment status type agent geohash age gender sex device lang "
    "session since phone fax address street firma nombre nome имя",
    "item": "name title desc bezeichnung categor type class group price qty quantity unit len weight photo image "
    "url brand vendor color colour size geohash status tax discount rating order stock text total count amount cost "
    "designation nom nazwa urunadi naam наименование название 名称 名稱 商品名 分类 分類 类目 payment customer "
    "nev megnevezes nazev benamning betegnelse 상품명 제품명 분류 "
    "client",
    "time": "ship deliver due limit birth expire expir updat modif approv carrier estimat signup since number week "
    "entrega livraison liefer geburt",
    "title": "customer user client buyer review bill ship store seller brand vendor categor depart index group "
    "section colour color type city country region file status appearance member class family event vector "
    "embedding device source medium browser payment",
    "description": "review len number status vector embedding coupon customer",
    "price": "freight ship total tax discount device rate percent ratio",
    "rating": "number count average",
    "event": "date time",
    "device": "id",
    "brand": "count number url user customer device mobile",
}
# Names of columns of the time of day.
CLOCK = "time hour uhrzeit hora heure ora saat godzina tijd tempo erzet время час 时间 時間 時刻"
# The first of these has no other role: several levels of categories are told apart by their values.
CATEGORIES = (
    "department category categor kategor warengruppe genre aisle family subclass rayon productgroup producttype "
    "itemtype productclass itemclass garmentgroup sectionname indexname famille grupo grupa категория 类目 類目 "
    "类别 分类 分類 カテゴリ varugrupp varegruppe 카테고리 분류 cat class style level"
)
NOT_CATEGORIES = "len number count age customer user member event url ship service device payment"
# Words that end many other words, and the words of people that may stand before them in one word.
ENDINGS = frozenset({"age"})
PEOPLE = frozenset(
    {"user", "customer", "client", "member", "person", "buyer", "shopper", "visitor", "household", "cust"}
)
# Short words mean something only in short names: "weekday" holds "day".
SHORT = frozenset(
    {"age", "day", "sku", "ean", "sex", "text", "class", "uid", "cat", "desc", "upc", "data", "alter", "пол"}
)
# Words that mean something only at the start of a name: "device name" holds "cena", a price in Polish.
STARTS = frozenset({"cena"})
# Words that hold a shorter one of another meaning.
LONGER = ("booking", "facebook", "resolved")
# Names of columns that say with yes or no whether the user chose a shown item, or liked it.
CHOSEN = frozenset(
    ["click", "clicked", "isclick", "isclicked", "clk", "isrecommended", "recommend", "votedup", "isliked", "liked"]
)
# Codes of things that are neither users nor items.
FOREIGN = (
    "order invoice session review transaction store shop seller region postal zip parent brand line row basket "
    "employee staff agent cashier card payment sequence step campaign territory location terminal device group quote "
    "message ipaddress bestell auftrag rechnung commande facture pedido factura fattura fatura заказ 订单 訂單 注文 "
    "verkaufsbeleg vbeln rendeles objednav 주문번호 promo voucher"
)
# Names of columns with the state of an order, and with the kind of a row.
STATUS = "status state zustand stato estado etat statut situacao durum статус 状态 狀態 ステータス stav allapot 상태"
KINDS_OF_ROWS = frozenset(
    ["type", "transactiontype", "ordertype", "saletype", "salestype", "documenttype", "doctype", "rowtype", "linetype"]
)
# Names of columns that say whether, or when, a row was cancelled.
CANCELS = "cancel refunded storn voided returned isreturn returnat returndate"
# Words of states that do not count, and words that say that a row counts in part, or that tell of something else.
CANCELLED = (
    "cancel refund void storn annul return retour ruckgabe zuruck erstattet chargeback reject fail denied declin "
    "unavailable rembours reembols rimbors devuel devol reso iptal iade zwrot отмен возврат 取消 退款 退货 退貨 返品 "
    "キャンセル torol zrusen avbrut makuleret peruut 취소 반품 환불"
)
IN_PART = "parti teil deels not"
NO_ANSWERS = f"{IN_PART} customer user client visitor policy able rate eligib reason amount count window"
